"""The process that runs flows: Prefect's worker as a child, the recorder and the keeper.

It waits for Prefect as long as that takes, survives its absence, and brings everything up
to date when it is back. Nothing here is needed for safety. Started as
`python -m flows.worker --home DIR`.
"""

import argparse
import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from orchestrator import logs
from orchestrator.adapters.prefect_env import client_env, runs_env
from orchestrator.bootstrap import Installation, install
from orchestrator.errors import ConfigError, WardshiftError
from orchestrator.settings import HOME_VARIABLE

log = structlog.get_logger()
POLL_S = 1.0
ROUND_S = 60.0
RESTART_S = 2.0
LOOK_S = 0.2
# Prefect's worker waits for its runs, which last for weeks; whoever ends us waits ten seconds.
STOP_S = 5.0
PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; the exit code."""
    chosen = _parser().parse_args(arguments)
    logs.configure("flows")
    os.environ[HOME_VARIABLE] = str(chosen.home.resolve())
    try:
        installation = install(chosen.home.resolve(), chosen.plan)
        api = api_of(installation)
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the supervisor's log, before any logging
        return int(error.exit_code)
    _pin_paths(installation, chosen.plan)
    asyncio.run(serve(installation, api, poll_s=chosen.poll_s))
    return 0


def _pin_paths(installation: Installation, plan: Path | None) -> None:
    """Runs start in folders of their own: what the site says relative to ours is made absolute."""
    named = {"WARDSHIFT_PLAN": plan or installation.site.plan}
    named["WARDSHIFT_CLOCK_FILE"] = installation.site.clock_file
    os.environ.update({name: str(path.resolve()) for name, path in named.items() if path})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flows.worker", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the installation's home folder")
    parser.add_argument("--plan", type=Path, default=None, help="instead of the site's plan")
    parser.add_argument("--poll-s", type=float, default=POLL_S, help="how often to look, seconds")
    return parser


def api_of(installation: Installation) -> str:
    """The Prefect API's address. Raises: ConfigError."""
    api = installation.site.prefect_api or os.environ.get("PREFECT_API_URL", "")
    if api:
        return api
    where = installation.site.home / "site.env"
    raise ConfigError(
        (f"{where}: WARDSHIFT_PREFECT_API is not set, e.g. http://127.0.0.1:4200/api",)
    )


async def serve(installation: Installation, api: str, *, poll_s: float) -> None:
    """The child and the showing, side by side, until told to stop."""
    home = installation.site.home
    os.environ.update(client_env(home, api))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    environment = {**os.environ, **runs_env(home, api, poll_s=poll_s), **_import_path()}
    environment.pop("PREFECT_CLIENT_MAX_RETRIES", None)
    answered = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keep_showing(installation, stop, answered, poll_s=poll_s))
        tasks.create_task(keep_child(environment, stop, answered))


async def keep_child(
    environment: Mapping[str, str], stop: asyncio.Event, answered: asyncio.Event
) -> None:
    """Prefect's own worker, started again whenever it ends.

    Not before Prefect has answered once: a worker that began without it asks ever more seldom.
    """
    while not (stop.is_set() or answered.is_set()):
        await _pause(stop, LOOK_S)
    while not stop.is_set():
        child = await _start_child(environment)
        log.info("worker.started", pid=child.pid)
        ended = asyncio.create_task(child.wait())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not stop.is_set():
            log.warning("worker.ended", pid=child.pid, code=child.returncode)
            await _pause(stop, RESTART_S)
            continue
        await _end_child(child)


async def keep_showing(
    installation: Installation, stop: asyncio.Event, answered: asyncio.Event, *, poll_s: float
) -> None:
    """Recorder and keeper, round after round, whatever becomes of Prefect or the ledger."""
    from flows.showing import Showroom  # noqa: PLC0415 - Prefect reads its settings on import

    showroom = Showroom(installation)
    while not stop.is_set():
        try:
            async with asyncio.timeout(ROUND_S):
                await _unless(stop, showroom.round(answered.set))
        except WardshiftError as error:
            log.warning("ledger.missed", problem=str(error))
        except Exception as error:  # noqa: BLE001
            # The outermost loop: showing late is safe.
            showroom.failed(error)
            log.warning("prefect.missed", problem=f"{type(error).__name__}: {error}"[:200])
        await _pause(stop, poll_s)


async def _start_child(environment: Mapping[str, str]) -> Process:
    from flows.deployments import POOL  # noqa: PLC0415 - the same

    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "prefect",
        "worker",
        "start",
        "--pool",
        POOL,
        "--type",
        "process",
        env=dict(environment),
        preexec_fn=_die_with_parent,
    )


async def _end_child(child: Process) -> None:
    """Ask it to end, by its pid, and insist after a while."""
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await child.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def _die_with_parent() -> None:
    """Linux: the child ends when this process is killed, so that no second worker is left."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _import_path() -> dict[str, str]:
    """Where runs find this interpreter and `flows`, from whatever folder they are started in."""
    return {
        "PATH": _before("PATH", Path(sys.executable).parent),
        "PYTHONPATH": _before("PYTHONPATH", Path(__file__).resolve().parent.parent),
    }


def _before(name: str, folder: Path) -> str:
    return os.pathsep.join(part for part in (str(folder), os.environ.get(name, "")) if part)


async def _unless(stop: asyncio.Event, round_: Coroutine[Any, Any, None]) -> None:
    """The round to its end, or as far as it is when we are told to stop: showing late is safe."""
    going, stopping = asyncio.create_task(round_), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((going, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not going.done():
            going.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await going
    if not going.cancelled():
        going.result()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
