"""A practice hospital: real processes over HTTP. Everything in it is invented."""
