"""What the parent of all processes under test has done before they come from it, so that each of
them starts in a moment: imports, and the first reading of a plan. It has no threads."""

from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn.protocols.http.auto
import uvicorn.protocols.http.h11_impl
import uvicorn.protocols.websockets.auto  # noqa: F401

from orchestrator.adapters.planfile import load_plan
from orchestrator.ledger import migrate, open_ledger
from tests.kube import doomed

PROGRAMME = Path(__file__).parent / "programme.yaml"

with TemporaryDirectory() as folder:
    url = f"sqlite:///{folder}/ledger.sqlite"
    migrate(url)
    open_ledger(url, timeout_s=3.0).entries()
load_plan(PROGRAMME)
assert doomed.ROLES
