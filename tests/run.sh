#!/usr/bin/env bash
# Every test, on real parts, two files at a time. Prometheus, etcd, the Kubernetes API server and
# Alertmanager are built in the background (once; they are cached) while the tests that do not
# need them run; the others begin when they are there, so that no test's time runs meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
mkdir -p build
"$PYTHON" -m tests.real.parts build >build/parts.log 2>&1 &
parts=$!
trap 'kill "$parts" 2>/dev/null || true' EXIT
# A file stays in one process, files begin in the order given, and two runs are the same run; for
# another order give -p randomly. The long files come first.
PYTEST=("$PYTHON" -m pytest -p no:randomly -n 2 --dist loadfile --no-loadscope-reorder)
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
# The demonstration, which has to be quick, runs beside the crash matrix, which mostly waits.
"${PYTEST[@]}" tests/kube/test_crash_matrix.py tests/e2e/test_demo.py tests/e2e/test_prefect.py \
    tests/kube tests/e2e tests/flows tests/practice tests/contract tests/traps tests/deploy \
    "$@" || failed=$?

exit "$failed"
