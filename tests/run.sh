#!/usr/bin/env bash
# Every test, on real parts. Prometheus, etcd, the Kubernetes API server and Alertmanager are built
# in the background (once; they are cached) while the tests that do not need them run; the others
# begin when they are there, so that no test's time runs meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
mkdir -p build
background=()
trap 'kill "${background[@]}" 2>/dev/null || true' EXIT
# In the order of the files, so that two runs are the same run; for another order give -p randomly.
PYTEST=("$PYTHON" -m pytest -p no:randomly)
failed=0

"$PYTHON" -m tests.real.parts build >build/parts.log 2>&1 &
parts=$!
background+=("$parts")
echo "tests 1/3: core, services, command line; the real parts are found or built meanwhile (build/parts.log)"
"${PYTEST[@]}" -n 2 --dist loadfile --no-loadscope-reorder tests/property tests/core tests/reports tests/wards \
    tests/service tests/web tests/ledger tests/cli tests/bench "$@" || failed=$?

if ! wait "$parts"; then
    tail -20 build/parts.log
    echo "tests: a real part is missing, see above; 2/3 and 3/3 were not run"
    exit 1
fi
# A whole hospital at a time: what is measured there would not bear a second one beside it.
echo "tests 2/3: whole hospitals, in the background (build/e2e.log); shown when 3/3 has ended"
"${PYTEST[@]}" tests/e2e "$@" >build/e2e.log 2>&1 &
e2e=$!
background+=("$e2e")
echo "tests 3/3: on a real API server, real databases, a real Prefect, each part by itself"
"${PYTEST[@]}" tests/kube tests/flows tests/practice tests/contract tests/traps tests/deploy \
    "$@" || failed=$?

echo "tests 2/3: whole hospitals"
tail --pid="$e2e" -n +1 -f build/e2e.log
wait "$e2e" || failed=$?
exit "$failed"
