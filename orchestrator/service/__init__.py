"""The order of effects, and nothing else: the core decides, the ports act."""
