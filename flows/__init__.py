"""What Prefect starts, shows and asks. The only package that imports Prefect.

Prefect is never the lock and never on the way back: stopping, restarting or losing it
changes nothing about safety, and once it is back it shows what happened meanwhile.
Modules that only find words or decide what to show (`story`, `wording`, `tables`,
`record`, `wanted`) do not import it either.
"""
