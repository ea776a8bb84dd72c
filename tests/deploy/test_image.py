"""What the image is built from is there, suffices, and is whole.

The steps that need a registry or an index are the builder's own and are not taken here.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.deploy.rendering import DEPLOY

ROOT = DEPLOY.parent
TOOLS = Path(sys.executable).parent
NOT_OF_THE_PACKAGE = {".md", ".pyc", ""}  # for whoever reads the source; kustomize's own file


def copied() -> list[str]:
    """What the build stage takes out of the checkout."""
    steps = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    found = re.findall(r"^COPY (?!--from)(.*) \S+$", steps, re.MULTILINE)
    return [source for sources in found for source in sources.split()]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as the image has it: a wheel of what is copied, and of nothing else."""
    context, wheels, package = (tmp_path_factory.mktemp(name) for name in ("in", "out", "package"))
    for source in copied():
        target = context / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, target)
    build = (
        TOOLS / "uv", "build", "--quiet", "--wheel", "--no-build-isolation",
        "--python", sys.executable, "--out-dir", wheels, context,
    )  # fmt: skip
    subprocess.run(build, check=True, timeout=300)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(package)
    return package


def test_what_the_package_reads_at_run_time_is_in_it(unpacked: Path) -> None:
    wanted = {
        file.relative_to(ROOT)
        for folder in ("orchestrator", "flows", "wards")
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and file.suffix not in NOT_OF_THE_PACKAGE
    }
    assert len({file for file in wanted if file.suffix != ".py"}) > 5, "templates, plans, rules"
    assert {file for file in wanted if not (unpacked / file).is_file()} == set()


def test_the_command_line_works_without_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    plan = unpacked / "wards" / "data" / "practice.yaml"
    where = "import orchestrator, sys; print(orchestrator.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    commands = ("-c", where), ("-m", "orchestrator.cli.main", "plan", "check", str(plan))
    said, checked = (
        subprocess.run(
            (sys.executable, *command), cwd=tmp_path, env=environment, capture_output=True,
            text=True, check=True, timeout=120,
        )
        for command in commands
    )  # fmt: skip
    assert Path(said.stdout.strip()).is_relative_to(unpacked)
    assert "sound" in checked.stdout + checked.stderr
