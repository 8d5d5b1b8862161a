#!/usr/bin/env bash
# Builds everything and passes every test: `scripts/test.sh [CTEST FLAGS...]`. CI's further checks are in .ci/run.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== Installing what is missing"
scripts/install_dependencies.sh test
echo "== Building"
# The programs that are tested are those that are shipped; assertions are on in the sanitizers' builds.
cmake --preset release -DBACKPROP_WITH_TESTS=ON -DBACKPROP_WITH_BENCH=OFF >/dev/null
cmake --build --preset release
echo "== Testing"
ctest --preset release "$@"
