#!/usr/bin/env bash
# Every test, on real parts, two at a time. Prometheus, etcd, the Kubernetes API server and
# Alertmanager are built in the background (once; they are cached) while the tests that do not
# need them run; the others begin when they are there, so that no test's time runs meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
mkdir -p build
"$PYTHON" -m tests.real.parts build >build/parts.log 2>&1 &
parts=$!
trap 'kill "$parts" 2>/dev/null || true' EXIT
# What stays in one process is said in tests/conftest.py; it begins in the order given, and two runs
# are the same run. For another order give -p randomly.
PYTEST=("$PYTHON" -m pytest -p no:randomly -n 2 --dist loadgroup --no-loadscope-reorder)
failed=0

echo "tests, first half: core, services, command line; the real parts are found or built meanwhile (build/parts.log)"
"${PYTEST[@]}" tests/property tests/core tests/reports tests/wards tests/service tests/web \
    tests/ledger tests/cli "$@" || failed=$?

echo "tests, second half: on the real parts, real processes and the practice hospital (half an hour; build/parts.log if nothing moves)"
if ! wait "$parts"; then
    tail -20 build/parts.log
    echo "tests: a real part is missing, see above; nothing of the second half was run"
    exit 1
fi
"${PYTEST[@]}" tests/e2e tests/kube tests/flows tests/practice tests/contract tests/traps \
    tests/deploy "$@" || failed=$?

exit "$failed"
