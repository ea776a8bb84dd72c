"""`wardshift`: the entry point. Verbs are imported when they are used, so that help is quick."""

import sys

from cyclopts import App, CycloptsError

EPILOGUE = """\
Examples:

  wardshift demo                         watch a rollout break and come back
  wardshift plan check plan.yaml         is the plan sound, and how fast is the way back
  wardshift up plan.yaml --practice      everything on this machine, with a practice hospital
  wardshift list                         where every ward stands
  wardshift rollback medicine-52         back to legacy, now

Exit codes: 0 done and proven, 2 usage or plan, 3 refused by a rule, 4 unavailable,
5 integrity broken, 6 outcome unknown.
"""

VERBS = {
    "demo": ("orchestrator.cli.demo.play:demo", "Watch three wards: accepted, returned, untouched."),
    "run": ("orchestrator.cli.words:run", "Start the programme of a plan."),
    "list": ("orchestrator.cli.look:list_wards", "Where every ward stands."),
    "show": ("orchestrator.cli.look:show", "One ward: gates, signals, last return, what next."),
    "history": ("orchestrator.cli.look:history", "What happened on a ward, in words."),
    "watch": ("orchestrator.cli.look:watch", "The list, again and again, until Ctrl-C."),
    "approve": ("orchestrator.cli.words:approve", "A role's yes for a ward to enter a stage."),
    "hold": ("orchestrator.cli.words:hold", "Stop a ward's forward movement."),
    "resume": ("orchestrator.cli.words:resume", "Lift a hold, or agree to go on after a rollback."),
    "rollback": ("orchestrator.cli.back:rollback", "Return a ward to legacy, now."),
    "verify": ("orchestrator.cli.look:verify", "Is the record whole and unchanged."),
    "sentinel": ("orchestrator.cli.watching:sentinel", "Watch exposed wards and return them."),
    "guard": ("orchestrator.cli.watching:guard", "Return a ward whose lease stands still."),
    "worker": ("orchestrator.cli.machine:worker", "Run the Prefect side: flows and recorder."),
    "up": ("orchestrator.cli.machine:up", "Everything on this machine, and where to look."),
}


def application() -> App:
    """The whole command line."""
    app = App(
        name="wardshift",
        help="Roll a new EHR out one ward at a time, beside the legacy EHR, and always be able "
        "to go back.",
        help_epilogue=EPILOGUE,
        help_format="plaintext",
        version_flags=["--version"],
        result_action="return_value",
    )
    for name, (target, words) in VERBS.items():
        app.command(target, name=name, help=words)
    plan = App(name="plan", help="Read a programme file: check, show, diff.")
    plan.command("orchestrator.cli.plan:check", name="check", help="Sound? And how fast back?")
    plan.command("orchestrator.cli.plan:show", name="show", help="The plan as people read it.")
    plan.command("orchestrator.cli.plan:diff", name="diff", help="What changed, what loosened.")
    app.command(plan)
    practice = App(name="practice", help="The practice hospital: up, fault, clear, speed, outage.")
    for verb in ("up", "fault", "clear", "speed", "outage", "restart"):
        practice.command(
            f"orchestrator.cli.machine:practice_{verb}", name=verb, help=f"See practice {verb}."
        )
    app.command(practice)
    return app


def main() -> None:
    """Run one command; every failure becomes a sentence on stderr and an exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of one command line."""
    try:
        result = application()(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print(f"wardshift: {error}\nTry: wardshift --help", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        return _failed(error)
    return result if isinstance(result, int) else 0


def _failed(error: Exception) -> int:
    from orchestrator.errors import WardshiftError

    if not isinstance(error, WardshiftError):
        raise error
    print(error, file=sys.stderr)
    return int(error.exit_code)


if __name__ == "__main__":
    main()
