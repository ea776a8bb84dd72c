"""The demonstration: one ward accepted, one broken and returned, one never touched.

Every process is real; only the hospital is for practice, and its clock runs fast until it
matters. The story goes to stderr; with `--format json` one object goes to stdout.
"""
