"""`wardshift alerts token`: who may push alerts to the sentinel."""

from datetime import UTC
from pathlib import Path

from orchestrator.cli.output import say
from orchestrator.errors import Unavailable


def token(*, name: str = "", home: Path | None = None) -> int:
    """Make a token for a sender of alerts, print it once, and keep only its hash.

    A running sentinel takes it within a second or two. To rotate: make a new one, give it to the
    sender, then take the old line out of the file.

    Example: wardshift alerts token --name alertmanager > token

    Args:
        name: What its line in the file is remembered by; else the day it was made.
        home: Home folder (or WARDSHIFT_HOME).
    """
    from orchestrator.adapters.clock import SystemClock
    from orchestrator.adapters.tokens import add_token
    from orchestrator.bootstrap import read_site

    file = read_site(home).alert_tokens_file
    made_on = f"made {SystemClock().now().astimezone(UTC):%Y-%m-%d}"
    try:
        made = add_token(file, f"{name} {made_on}")
    except OSError as error:
        raise Unavailable(str(file), f"cannot be written: {error.strerror}") from error
    print(made)
    say(f"Its hash is in {file}; the token itself is kept nowhere else.")
    return 0
