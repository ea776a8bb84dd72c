"""Run one practice EHR: `python -m wards.practice.ehr --system legacy --port N ...`."""

import argparse
import asyncio
import sys
from pathlib import Path

import structlog
from prometheus_client import disable_created_metrics

from orchestrator.adapters.clock import PracticeClock
from wards.practice import logs
from wards.practice.ehr.app import Ehr
from wards.practice.ehr.store import Store
from wards.practice.serving import (
    PORT_TAKEN,
    PortTaken,
    Site,
    common_arguments,
    listen,
    serve,
)
from wards.practice.tied import tie_to_parent
from wards.practice.wire import SYSTEMS

log = structlog.get_logger()


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="wards.practice.ehr", description=__doc__)
    parser.add_argument("--system", choices=SYSTEMS, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", type=Path, required=True, help="SQLite file, kept")
    parser.add_argument("--seed", type=int, default=1, help="of the faults' chances")
    common_arguments(parser)
    return parser.parse_args()


def main() -> int:
    """Serve until told to stop."""
    args = arguments()
    tie_to_parent(args.parent_pid)
    logs.configure(args.system)
    disable_created_metrics()
    try:
        listener = listen(args.port)
    except PortTaken as taken:
        log.warning("port.taken", problem=str(taken))
        return PORT_TAKEN
    store = Store(args.store)
    ehr = Ehr(system=args.system, store=store, clock=PracticeClock(args.clock), seed=args.seed)
    log.info("ehr.started", port=args.port)
    asyncio.run(serve((Site(app=ehr, listener=listener),)))
    store.close()
    log.info("ehr.stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
