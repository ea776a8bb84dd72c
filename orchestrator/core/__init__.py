"""The pure core: no clock, no I/O, no logging.

It reads as the pipeline: plan -> reading -> verdict -> gates -> state -> decision -> route.
"""
