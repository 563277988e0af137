#!/usr/bin/env bash
# All tests, as `make test` runs them. What is dear to build comes first, in the background; the last lines are pytest's own.
set -euo pipefail

log=.cache/lab-images.log
tools_log=.cache/lab-tools.log
garage_log=.cache/lab-garage.log
engines_log=.cache/lab-engines.log
mkdir -p .cache

# With a process group of its own, an interrupted or failed run can end the builds with all their children.
set -m
"$PYTHON" molecule/resources/lab image base host registry haproxy app1 app2 >"$log" 2>&1 </dev/null &
builds=$!
# The tests that want these wait for them, by asking for them again.
nice -n 10 "$PYTHON" molecule/resources/lab tool crane oras referrers_registry cosign >"$tools_log" 2>&1 </dev/null &
tools=$!
nice -n 10 "$PYTHON" molecule/resources/lab image garage >"$garage_log" 2>&1 </dev/null &
garage=$!
nice -n 10 "$PYTHON" molecule/resources/lab image host-docker-20.10-bullseye host-docker-20.10 host-docker-28.5 \
    host-docker-28.5-containerd host-docker-29 host-podman >"$engines_log" 2>&1 </dev/null &
engines=$!
set +m
trap 'kill -- "-$builds" "-$tools" "-$garage" "-$engines" 2>/dev/null || true' EXIT

echo "The lab's images and tools are made in the background ($log, $tools_log, $garage_log, $engines_log). Meanwhile, the checks:"
# The unit tests come last, in the same run as the rest, so that one summary counts them all.
make --no-print-directory check SKIP=unit

echo "Waiting for the lab's images."
wait "$builds" || {
    tail -n 40 "$log"
    echo "The lab's images could not be made; see $log." >&2
    exit 1
}
trap 'kill -- "-$tools" "-$garage" "-$engines" 2>/dev/null || true' EXIT

# Much of the time is spent waiting for hosts, so one worker more than there are cores. The longest come first.
pytest --verbose --numprocesses "$(($(nproc) + 1))" --no-loadscope-reorder \
    tests/integration/test_molecule.py tests/integration tests/unit
