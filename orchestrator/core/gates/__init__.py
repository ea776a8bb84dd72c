"""Gates to enter a stage: an ordered list of named rules, each answering with its reason."""
