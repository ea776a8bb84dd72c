"""`wardshift`: the one outermost place of the command line. Words in, exit code out.

An error of ours becomes its sentence on stderr and its exit code; a wrong use exits with 2;
Ctrl-C is quiet. Verbs are imported when they are used, and the front page imports nothing.
"""

import errno
import gc
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from orchestrator.cli.terminal import STDOUT, lead_nowhere, open_streams

if TYPE_CHECKING:
    from cyclopts import App

HOME_VARIABLE = "WARDSHIFT_HOME"
INTERRUPTED = 130  # as shells number it
NAME_WIDTH = 12
OBJECTS_BEFORE_COLLECTING = 50_000
# Whoever was to read it is gone, or their disk is full, or their terminal is.
UNDELIVERED = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EAGAIN)
SAYING = (
    "Roll a new EHR out one ward at a time, beside the legacy EHR, and always be able to go back."
)
EPILOGUE = """\
Examples:
  wardshift demo                         watch a rollout break and come back
  wardshift plan check plan.yaml         is the plan sound, and how fast is the way back
  wardshift up plan.yaml --practice      everything on this machine, with a practice hospital
  wardshift list                         where every ward stands
  wardshift rollback medicine-52         back to legacy, now

`wardshift VERB --help` explains a verb. --home (or WARDSHIFT_HOME) names the folder of an
installation, .wardshift unless you say otherwise; reading verbs take --format json.
Exit codes: 0 done and proven, 2 usage or plan, 3 refused by a rule, 4 unavailable,
5 integrity broken, 6 outcome unknown.
"""

VERBS = {
    "demo": ("orchestrator.cli.demo.play:demo", "Three wards: accepted, returned, untouched."),
    "run": ("orchestrator.cli.words:run", "Start the programme of a plan."),
    "list": ("orchestrator.cli.look:list_wards", "Where every ward stands."),
    "show": ("orchestrator.cli.look:show", "One ward: gates, signals, last return, what next."),
    "history": ("orchestrator.cli.look:history", "What happened on a ward, in words."),
    "watch": ("orchestrator.cli.look:watch", "The list, again and again, until Ctrl-C."),
    "timeline": ("orchestrator.cli.look:timeline", "A ward's way as a picture."),
    "approve": ("orchestrator.cli.words:approve", "A role's yes for a ward to enter a stage."),
    "hold": ("orchestrator.cli.words:hold", "Stop a ward's forward movement."),
    "resume": ("orchestrator.cli.words:resume", "Lift a hold, or agree to go on after a rollback."),
    "rollback": ("orchestrator.cli.back:rollback", "Return a ward to legacy, now."),
    "drill": ("orchestrator.cli.drill:drill", "Rehearse a ward's return and measure it."),
    "stop": ("orchestrator.cli.stopping:stop", "Stop the line at a ward, or the programme."),
    "stop-code": ("orchestrator.cli.stopping:stop_code", "Make a role's code for the stop form."),
    "acknowledge": ("orchestrator.cli.stopping:acknowledge", "Take a bedside report in hand."),
    "cancel": ("orchestrator.cli.words:cancel", "Take back what a return still waits for."),
    "verify": ("orchestrator.cli.look:verify", "Is the record whole and unchanged."),
    "sentinel": ("orchestrator.cli.watching:sentinel", "Watch exposed wards and return them."),
    "guard": ("orchestrator.cli.watching:guard", "Return a ward whose lease stands still."),
    "worker": ("orchestrator.cli.machine:worker", "Run the Prefect side: flows and recorder."),
    "up": ("orchestrator.cli.machine:up", "Everything on this machine, and where to look."),
}
GROUPS = {
    "plan": (
        "Read a programme file: check, show, diff.",
        {
            "check": ("orchestrator.cli.plan:check", "Sound? And how fast back?"),
            "show": ("orchestrator.cli.plan:show", "The plan as people read it."),
            "diff": ("orchestrator.cli.plan:diff", "What changed, what loosened."),
        },
    ),
    "alerts": (
        "What lets Alertmanager push alerts to the sentinel: token.",
        {"token": ("orchestrator.cli.alerts:token", "Make a token, shown once.")},
    ),
    "practice": (
        "The practice hospital: up, fault, clear, speed, outage, restart, drill.",
        {
            "up": ("orchestrator.cli.machine:practice_up", "Start one to be explored."),
            "fault": ("orchestrator.cli.machine:practice_fault", "Break an EHR on purpose."),
            "clear": ("orchestrator.cli.machine:practice_clear", "Take all faults away."),
            "speed": ("orchestrator.cli.machine:practice_speed", "How fast its time runs."),
            "outage": ("orchestrator.cli.machine:practice_outage", "Kill one of its processes."),
            "restart": ("orchestrator.cli.machine:practice_restart", "Start that one again."),
            "drill": ("orchestrator.cli.fault_drill:practice_drill", "Break things; time returns."),
        },
    ),
}


def main() -> None:
    """Run one command line; every failure becomes a sentence on stderr and an exit code."""
    # Imports make many objects that all stay; looking through them again and again while a
    # person waits is a fifth of a short command's time.
    gc.set_threshold(OBJECTS_BEFORE_COLLECTING)
    open_streams()
    code = _delivered(run(sys.argv[1:]))
    # Python looks for rubbish once more while it ends; what ends anyway need not be looked at.
    gc.freeze()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """The exit code of one command line."""
    from orchestrator.cli.output import say
    from orchestrator.errors import WardshiftError

    try:
        return _answer(_without_home(list(arguments)))
    except WardshiftError as error:
        say(str(error))
        return int(error.exit_code)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        if error.errno not in UNDELIVERED:
            raise
        return _undelivered(error)


def _delivered(code: int) -> int:
    """The exit code where the result reached its reader; another one than 0 where it did not."""
    try:
        sys.stdout.flush()
    except OSError as error:
        undelivered = _undelivered(error)
        return code or undelivered
    return code


def _undelivered(error: OSError) -> int:
    """Whoever was to read the result does not know it."""
    from orchestrator.cli.output import say
    from orchestrator.errors import ExitCode

    say(f"The result could not be written ({error.strerror}).")
    lead_nowhere(STDOUT)  # else Python complains once more at its end
    return int(ExitCode.UNKNOWN)


def front_page() -> str:
    """What `wardshift --help` prints."""
    lines = {name: words for name, (_, words) in VERBS.items()}
    lines |= {name: words for name, (words, _) in GROUPS.items()}
    return f"Usage: wardshift [--home DIR] VERB ...\n\n{SAYING}\n\n{_verbs(lines)}\n\n{EPILOGUE}"


def group_page(name: str) -> str:
    """What `wardshift plan --help` and `wardshift practice --help` print."""
    words, verbs = GROUPS[name]
    lines = {verb: said for verb, (_, said) in verbs.items()}
    return f"Usage: wardshift {name} VERB ...\n\n{words}\n\n{_verbs(lines)}\n"


def _verbs(lines: dict[str, str]) -> str:
    return "\n".join(f"  {name:{NAME_WIDTH}}{words}" for name, words in sorted(lines.items()))


def application() -> "App":
    """The whole command line, nothing of it loaded yet."""
    from cyclopts import App, Parameter

    app = App(
        name="wardshift",
        help=SAYING,
        default_parameter=Parameter(negative=""),
        help_format="plaintext",
        help_formatter="plain",
        version_flags=(),
        result_action="return_value",
    )
    _add(app, VERBS)
    for name, (words, verbs) in GROUPS.items():
        group = App(name=name, help=words, version_flags=())
        _add(group, verbs)
        app.command(group)
    return app


def _add(app: "App", verbs: dict[str, tuple[str, str]]) -> None:
    for name, (target, _) in verbs.items():
        app.command(target, name=name)


def _answer(arguments: list[str]) -> int:
    match arguments:
        case [] | ["--help"] | ["-h"]:
            print(front_page(), end="")
            return 0
        case ["--version"]:
            print(version("wardshift"))
            return 0
        case [name] | [name, "--help" | "-h"] if name in GROUPS:
            print(group_page(name), end="")
            return 0
        case _:
            return _dispatch(arguments)


def _dispatch(arguments: list[str]) -> int:
    from cyclopts import CycloptsError

    from orchestrator.cli.output import say
    from orchestrator.errors import ExitCode

    try:
        result = application()(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        say(f"wardshift: {error}\nTry: {_page_for(arguments)}")
        return int(ExitCode.USAGE)
    return int(result) if isinstance(result, int) else 0


def _page_for(arguments: list[str]) -> str:
    """The command that explains what was meant, as far as there is such a verb."""
    match arguments:
        case [group, verb, *_] if group in GROUPS and verb in GROUPS[group][1]:
            return f"wardshift {group} {verb} --help"
        case [name, *_] if name in GROUPS or name in VERBS:
            return f"wardshift {name} --help"
        case _:
            return "wardshift --help"


def _without_home(arguments: list[str]) -> list[str]:
    """`--home DIR` before the verb says the same as WARDSHIFT_HOME."""
    match arguments:
        case ["--home", home, *rest]:
            os.environ[HOME_VARIABLE] = home
            return rest
        case [first, *rest] if first.startswith("--home="):
            os.environ[HOME_VARIABLE] = first.partition("=")[2]
            return rest
        case _:
            return arguments


if __name__ == "__main__":
    main()
