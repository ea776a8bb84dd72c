#!/usr/bin/env bash
# Every test, on real parts. Prometheus, etcd, the Kubernetes API server and Alertmanager are
# built in the background (once; they are cached) while the tests that do not need them run.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
mkdir -p build
echo "tests: pure core, services and command line first; the real parts are found or built meanwhile (build/parts.log)"
"$PYTHON" -m tests.real.parts build >build/parts.log 2>&1 &
parts=$!
trap 'kill "$parts" 2>/dev/null || true' EXIT
# In the order of the files, so that two runs are the same run; for another order give -p randomly.
FOLDERS=(
    core reports wards service web property ledger cli practice traps contract kube flows deploy e2e
)
exec "$PYTHON" -m pytest -p no:randomly "${FOLDERS[@]/#/tests/}" "$@"
