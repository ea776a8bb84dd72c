"""The practice hospital's own command line: leave it running, and do things to it.

`python -m wards.practice up` in one window, `fault`, `speed`, `outage` and the like in another.
"""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from orchestrator.adapters.clock import SystemClock
from orchestrator.errors import ConfigError, Unavailable, WardshiftError
from wards.practice import logs
from wards.practice.actions import PROCESSES, VERBS, schedule_from
from wards.practice.hospital import ADDRESSES, Hospital
from wards.practice.staffing import USUAL, Staffing, staffing_from
from wards.practice.wire import SYSTEMS

DEFAULT_HOME = Path(".wardshift/practice")
ASK_TIMEOUT_S = 60.0  # a restart waits until the process is healthy
GUIDE = """
A practice hospital is running. Everything in it is invented.
  wards           {wards}
  legacy EHR      {legacy_url}/fhir/metadata
  candidate EHR   {candidate_url}/fhir/metadata
  gateway         {gateway_url}   (send a header x-ward)
  routes, leases  {gateway_admin_url}/routes
  staff metrics   {staff_metrics_url}
  files           {home}   (logs/, gateway.jsonl, {addresses})

Try, in another window:
  curl -s {gateway_admin_url}/routes/{ward}
  curl -s -X PATCH {candidate_url}/faults -d '{{"latency_s": 2}}'
  curl -s {staff_metrics_url} | grep staff_tasks_total

Or:
  python -m wards.practice fault --home {home} candidate drop_text_rate=0.5 latency_s=2
  python -m wards.practice clear --home {home}
  python -m wards.practice speed --home {home} 3600
  python -m wards.practice outage --home {home} candidate

Stop it with Ctrl-C.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the answer is the exit code."""
    args = arguments(argv)
    try:
        return args.run(args)
    except WardshiftError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says; `run` is the function to call with it."""
    parser = argparse.ArgumentParser(prog="python -m wards.practice", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _up_arguments(_verb(verbs, "up", _up, "start it and leave it running"))
    fault = _verb(verbs, "fault", _fault, "set faults of an EHR beside those it has")
    fault.add_argument("system", choices=SYSTEMS)
    fault.add_argument("faults", nargs="+", metavar="NAME=VALUE")
    clear = _verb(verbs, "clear", _clear, "take all faults away")
    clear.add_argument("system", choices=SYSTEMS, nargs="?")
    behave = _verb(verbs, "behave", _behave, "set the gateway's behaviour beside what it has")
    behave.add_argument("settings", nargs="+", metavar="NAME=VALUE")
    speed = _verb(verbs, "speed", _speed, "change how fast practice time runs")
    speed.add_argument("rate", type=float, help="practice seconds per real second")
    for name in VERBS:
        verb = _verb(verbs, name, _handle, f"{name} of one process")
        verb.add_argument("process", choices=PROCESSES)
        verb.set_defaults(verb=name)
    return parser.parse_args(argv)


def _verb(
    verbs: Any, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("--home", type=Path, default=DEFAULT_HOME, help="folder of its files")
    parser.set_defaults(run=run)
    return parser


def _up_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wards", type=Path, help="wards file; without it three wards")
    parser.add_argument("--speed", type=float, default=60.0, help="practice seconds per second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=_moment, help="practice time, ISO with offset; else now")
    parser.add_argument("--replicas", type=int, default=1, help="of the gateway")
    parser.add_argument("--real-rate", type=float, default=6.0, help="requests per s and ward")
    parser.add_argument("--schedule", type=Path, help="YAML or JSON list of timed actions")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a practice time needs its offset")
    return moment.astimezone(UTC)


def _up(args: argparse.Namespace) -> int:
    logs.configure("hospital")
    staffing = _staffing(args.wards)
    starts_at = args.start or SystemClock().now()
    timed = schedule_from(args.schedule, starts_at=starts_at) if args.schedule else ()
    told_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told_to_stop.set())
    with Hospital.start(
        args.home,
        staffing.wards,
        starts_at=starts_at,
        rate=args.speed,
        seed=args.seed,
        zone=staffing.zone,
        replicas=args.replicas,
        real_rate=args.real_rate,
    ) as hospital:
        hospital.schedule(timed)
        _say(guide(hospital))
        told_to_stop.wait()
        _say("stopping")
    return 0


def guide(hospital: Hospital) -> str:
    """How to explore a running hospital."""
    return GUIDE.format(
        wards=", ".join(ward.ward for ward in hospital.wards),
        ward=hospital.wards[0].ward,
        home=hospital.home,
        addresses=ADDRESSES,
        **hospital.addresses,
    )


def _staffing(path: Path | None) -> Staffing:
    if path is None:
        return USUAL
    try:
        return staffing_from(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError((f"{path} is not a wards file: {error}",)) from error


def _fault(args: argparse.Namespace) -> int:
    return _do(args.home, {"system": args.system, "faults": _pairs(args.faults)})


def _clear(args: argparse.Namespace) -> int:
    return _do(args.home, {"action": "clear", "system": args.system})


def _behave(args: argparse.Namespace) -> int:
    return _do(args.home, {"gateway": _pairs(args.settings)})


def _speed(args: argparse.Namespace) -> int:
    return _do(args.home, {"speed": args.rate})


def _handle(args: argparse.Namespace) -> int:
    return _do(args.home, {"action": args.verb, "process": args.process})


def _pairs(texts: Sequence[str]) -> Mapping[str, Any]:
    return dict(_pair(text) for text in texts)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError((f"{text} is not NAME=VALUE, such as latency_s=2",))
    if name == "wards":
        return name, value.split(",")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _do(home: Path, action: Mapping[str, Any]) -> int:
    url = _hospital_url(home)
    try:
        answer = httpx2.post(f"{url}/do", json=action, timeout=ASK_TIMEOUT_S, trust_env=False)
    except httpx2.HTTPError as error:
        raise Unavailable("practice", f"the hospital in {home} does not answer") from error
    said = answer.json()
    if not answer.is_success:
        raise ConfigError((said["problem"],))
    _say(said["done"])
    return 0


def _hospital_url(home: Path) -> str:
    path = home / ADDRESSES
    if not path.exists():
        problem = (
            f"no hospital is running in {home}: start one with `wardshift practice up` or "
            "`wardshift up --practice`"
        )
        raise Unavailable("practice", problem)
    return json.loads(path.read_text(encoding="utf-8"))["hospital_url"]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
