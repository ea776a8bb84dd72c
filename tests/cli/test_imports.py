"""What each verb loads: never Prefect, and the front page nothing at all."""

import subprocess
import sys

from orchestrator.cli.main import GROUPS, VERBS

TARGETS = [target for target, _ in VERBS.values()]
TARGETS += [target for _, verbs in GROUPS.values() for target, _ in verbs.values()]
LAZY = (
    "orchestrator.adapters.planfile",
    "orchestrator.adapters.practice_gateway",
    "orchestrator.adapters.prober",
    "orchestrator.adapters.sources",
    "orchestrator.adapters.notify",
    "orchestrator.adapters.metrics",
    "orchestrator.cli.everything",
    "orchestrator.cli.faults",
    "orchestrator.cli.schema",
    "orchestrator.ledger",
    "orchestrator.reports.timeline",
    "orchestrator.web.board",
    "orchestrator.web.pages",
    "orchestrator.web.stop",
    "orchestrator.adapters.stop_codes",
)


def loaded_after(code: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after some code."""
    command = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        (sys.executable, "-c", command), capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_no_verb_leads_to_prefect() -> None:
    modules = sorted({target.partition(":")[0] for target in TARGETS} | set(LAZY))
    loaded = loaded_after("\n".join(f"import {name}" for name in modules))
    assert "sqlmodel" in loaded
    assert loaded.isdisjoint({"prefect", "flows"})


def test_the_front_page_loads_nothing_but_itself() -> None:
    loaded = loaded_after(
        "import contextlib, io\n"
        "from orchestrator.cli.main import run\n"
        "with contextlib.redirect_stdout(io.StringIO()): run(['--help'])"
    )
    assert loaded.isdisjoint({"cyclopts", "rich", "pydantic", "structlog", "sqlalchemy", "wards"})


def test_asking_a_sentinel_loads_neither_plan_nor_database() -> None:
    loaded = loaded_after("import orchestrator.cli.look")
    assert loaded.isdisjoint({"pydantic", "structlog", "sqlalchemy", "ruamel", "wards"})
