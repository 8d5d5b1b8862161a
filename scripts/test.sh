#!/usr/bin/env bash
# Builds everything and passes every test: `scripts/test.sh [CTEST FLAGS...]`. CI's further checks are in .ci/run.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== Installing what is missing"
scripts/install_dependencies.sh test
echo "== Building"
cmake --preset dev >/dev/null
cmake --build --preset dev
echo "== Testing"
ctest --preset dev "$@"
