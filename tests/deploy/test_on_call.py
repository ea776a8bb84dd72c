"""On call at a laptop: what a person's return needs there, by the real fence and the real roles."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.core.ids import Side
from orchestrator.settings import Site, write_site
from tests.contract.test_fence import a_route, expose
from tests.deploy.rendering import DEPLOY
from tests.real.kube_site import BACKENDS, KubeSite
from wards.model import WardId

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
WARD = WardId("laptop-1")
HANDBOOK = DEPLOY.parent / "docs" / "how-to" / "deploy.md"
RULES = DEPLOY / "prometheus" / "rules.yaml"
WRITTEN_NOT_PROVEN, NO_LEDGER = 6, 2
ELSEWHERE = ("get endpoints", "validatingadmissionpolicybindings")  # not ours, or of no namespace


def laptop(
    home: Path, kube: KubeSite, *words: str, **site: str
) -> "subprocess.CompletedProcess[str]":
    """One call of the command line by somebody of the group wardshift-operations."""
    write_site(home, {"kubeconfig": str(kube.server.operations_kubeconfig()), **site})
    environment = {name: value for name, value in os.environ.items() if "WARDSHIFT" not in name}
    command = (sys.executable, "-m", "orchestrator.cli.main", *words, "--home", str(home))
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_kubeconfig_alone_returns_a_ward(kube: KubeSite, tmp_path: Path) -> None:
    """No plan, no ledger, no gateway to ask: it is written, and nobody here can prove it."""
    kube.create_route(a_route(WARD))
    expose(kube, WARD)
    assert backends(kube) == {BACKENDS[Side.LEGACY].name, BACKENDS[Side.CANDIDATE].name}
    done = laptop(tmp_path, kube, "rollback", WARD, "--yes", "--patience", "1")
    assert done.returncode == WRITTEN_NOT_PROVEN, done.stderr
    assert backends(kube) == {BACKENDS[Side.LEGACY].name}


def backends(kube: KubeSite) -> set[str]:
    """Which systems serve the ward."""
    rules = kube.route(WARD)["spec"]["rules"]
    return {backend["name"] for rule in rules for backend in rule["backendRefs"]}


def test_to_look_a_ledger_is_needed(kube: KubeSite, tmp_path: Path) -> None:
    plan = str(DEPLOY.parent / "wards" / "data" / "practice.yaml")
    assert laptop(tmp_path, kube, "list", plan=plan).returncode == NO_LEDGER


def test_the_settings_that_the_handbook_names_for_a_laptop_are_settings() -> None:
    section = HANDBOOK.read_text().split("## On call: a laptop or a pod")[1].split("\n## ")[0]
    named = set(re.findall(r"^WARDSHIFT_([A-Z_]+)=", section, re.MULTILINE))
    assert "KUBECONFIG" in named
    assert {name.lower() for name in named} <= Site.model_fields.keys()


def test_no_command_for_on_call_forgets_the_namespace() -> None:
    for text in (HANDBOOK.read_text(), RULES.read_text()):
        for command in re.findall(r"kubectl (?!apply)[^`)\n]*", text):
            assert "-n wardshift" in command or any(kind in command for kind in ELSEWHERE), command
