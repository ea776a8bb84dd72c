"""`wardshift practice drill`: what a return needs is broken, one thing at a time, and measured."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.output import Format, say, show_json, show_table
from orchestrator.errors import ConfigError, ExitCode
from orchestrator.reports.board_words import Lang
from orchestrator.reports.fault_drills import (
    WORDS,
    Fault,
    FaultRow,
    cells,
    columns,
    document,
    page,
)

if TYPE_CHECKING:
    from orchestrator.cli.faults import Tell

OUT = Path("build/fault-drills")
ALL = "candidate,database,prefect,prometheus,api"
PAGE = "fault-drills.html"
DOCUMENT = "fault-drills.json"
PROMETHEUS = "prometheus"
NO_PROMETHEUS = (
    "No Prometheus runs in the practice hospital: what goes is the metrics page that the signals "
    "are read from. The report calls it signals."
)


def practice_drill(
    *,
    faults: str = ALL,
    out: Path = OUT,
    lang: Lang = Lang.SV,
    format: Format = Format.TABLE,  # noqa: A002
) -> int:
    """Break what a return could need, one thing at a time, and measure that wards come home.

    Each fault gets a practice hospital of its own, under --out, and takes about a minute.

    Example: wardshift practice drill --faults candidate,database

    Exit codes: 0 every ward came home in time, 4 one did not; the rows say which.

    Args:
        faults: Of candidate, database, prefect, prometheus (or signals) and api; with commas.
        out: Folder for the report and, in a folder for each fault, its installation.
        lang: sv or en, for the page and the table.
        format: table or json.
    """
    from orchestrator import logs

    wanted = chosen(faults)
    logs.configure("wardshift", level="ERROR")  # what is broken here is broken on purpose
    if PROMETHEUS in faults:
        say(NO_PROMETHEUS)
    rows = _drilled(wanted, out)
    write_report(rows, out, lang)
    if format is Format.JSON:
        show_json(document(rows))
    else:
        show_table(WORDS[lang].title, columns(lang), [cells(row, lang) for row in rows])
    say(f"The report: {out / PAGE} and {out / DOCUMENT}")
    return ExitCode.DONE if all(row.is_good for row in rows) else ExitCode.UNAVAILABLE


def chosen(text: str) -> tuple[Fault, ...]:
    """The faults of a list with commas, each once, in order. Raises: ConfigError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    found = ["signals" if name == PROMETHEUS else name for name in names]
    wrong = [name for name in found if name not in set(Fault)]
    if wrong or not found:
        what = ", ".join(wrong) or "nothing"
        raise ConfigError((f"--faults {what}: there are {ALL}, and signals for prometheus",))
    return tuple(dict.fromkeys(Fault(name) for name in found))


def write_report(rows: Sequence[FaultRow], out: Path, lang: Lang) -> None:
    """Both files, whole."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document(rows), ensure_ascii=False, indent=2)
    (out / DOCUMENT).write_text(f"{text}\n", encoding="utf-8")
    (out / PAGE).write_text(page(rows, lang), encoding="utf-8")


def _drilled(wanted: Sequence[Fault], out: Path) -> list[FaultRow]:
    from orchestrator.adapters.clock import SystemClock
    from orchestrator.cli.faults import fault_drill
    from orchestrator.cli.practice_stage import quick_plan

    out.mkdir(parents=True, exist_ok=True)
    for name in (PAGE, DOCUMENT):
        (out / name).unlink(missing_ok=True)  # a drill that is broken off leaves no older report
    plan = quick_plan(out)
    clock = SystemClock()
    began_s = clock.monotonic()

    def teller(number: int, fault: Fault) -> "Tell":
        place = f"{number}/{len(wanted)} {fault}"
        return lambda text: say(f"[{clock.monotonic() - began_s:5.1f} s] {place}: {text}")

    return [
        fault_drill(fault, plan=plan, home=out / fault, tell=teller(number, fault))
        for number, fault in enumerate(wanted, start=1)
    ]
