"""A ward's stop form over fakes, and a phone in front of it."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.testclient import TestClient

from orchestrator.adapters.stop_codes import StaffDigest, StopCodes
from orchestrator.core.plan import Plan
from orchestrator.web.stop import StopDoor, stop_routes
from tests.plans import FIRST, HEAD
from tests.stops import NURSE, exposed_world, line_of


class Bedside:
    """One hospital's door, and a phone in front of it."""

    def __init__(self, folder: Path, plan: Plan | None = None) -> None:
        self.folder = folder
        self.world = exposed_world(plan)
        self.codes = StopCodes(folder / "stop-codes.json")
        self.code = {role: self.codes.make(role) for role in (NURSE, HEAD)}
        self.digest = StaffDigest(folder / "stop-key")
        self.line = line_of(self.world)
        self.phone = TestClient(Starlette(routes=stop_routes(self.door())), follow_redirects=False)

    def door(self):
        return StopDoor(
            plan=self.world.plan,
            line=self.line,
            codes=self.codes,
            digest=self.digest.of,
            clock=self.world.clock,
        )

    def press(self, ward=FIRST, role=NURSE, code=None, lang="", **more):
        said = {"ward": ward, "role": role, "code": code or self.code.get(role, ""), **more}
        return self.phone.post("/stop", data=said, params={"lang": lang} if lang else {})

    def receipt(self, pressed):
        """The page that a press leads to."""
        return self.phone.get(pressed.headers["location"])

    def forget_codes(self):
        """As on a site where no code was ever made."""
        self.codes = StopCodes(self.folder / "none.json")
        self.phone = TestClient(Starlette(routes=stop_routes(self.door())), follow_redirects=False)

    def send(self, ward=FIRST, role=NURSE, code=None, **more):
        said = {"ward": ward, "role": role, "code": code or self.code.get(role, ""), **more}
        return self.phone.post("/api/stop", json=said)

    def happened(self, kind):
        return [d.happening for d in self.world.drafts() if isinstance(d.happening, kind)]
