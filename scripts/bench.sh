#!/usr/bin/env bash
# Measures: `scripts/bench.sh core|peers|ingest|predict|all [--quick]`. Prints one table and writes
# build/bench/NAME.json; fails only when it could not measure. bench/README.md explains the rows.
# A benchmark NAME is there when there is a function bench_NAME.
set -euo pipefail
cd "$(dirname "$0")/.."

names=(core peers ingest predict)
out=build/bench

usage() {
  echo "usage: $0 core|peers|ingest|predict|all [--quick]" >&2
  exit 2
}

# build TARGET...
build() {
  scripts/install_dependencies.sh build
  cmake --preset release -DBACKPROP_WITH_BENCH=ON -DBACKPROP_WITH_PEERS="${peers-OFF}" >/dev/null
  cmake --build --preset release --target "$@" | tail -n 1
}

bench_core() {
  build bench_core
  build/release/bench/bench_core --json $out/core.json "$@"
}

bench_peers() {
  scripts/install_dependencies.sh peers
  peers=ON build bench_peers
  build/release/bench/bench_peers --python-peers bench/python_peers.py --json $out/peers.json "$@"
}

# The directory is on the build tree's disk, not in /tmp, which may be memory.
bench_ingest() {
  build backpropd bench_sink bench_sink_tcmalloc bench_ingest
  build/release/bench/bench_ingest --backpropd build/release/server/backpropd --sink build/release/bench/bench_sink \
    --tcmalloc-sink build/release/bench/bench_sink_tcmalloc --directory $out/ingest --json $out/ingest.json "$@"
}

# Beside PyTorch where it is installed; only the peers' benchmark installs it.
bench_predict() {
  local python=()
  ! /usr/bin/python3 -c 'import torch, sklearn, threadpoolctl' 2>/dev/null ||
    python=(--python-peers bench/python_peers.py)
  build backpropd bench_predict
  build/release/bench/bench_predict --backpropd build/release/server/backpropd --directory $out/predict \
    --json $out/predict.json "${python[@]}" "$@"
}

name=${1-}
[ -z "$name" ] || shift
case " ${names[*]} " in
  *" $name "*) wanted=("$name") ;;
  *) [ "$name" = all ] || usage; wanted=("${names[@]}") ;;
esac
for flag in "$@"; do
  [ "$flag" = --quick ] || usage
done
for each in "${wanted[@]}"; do
  declare -F "bench_$each" >/dev/null || { echo "$each: not there yet" >&2; exit 2; }
done
mkdir -p $out
echo "$(lscpu | sed -n 's/^Model name: *//p'), $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg), $(date -I)"
for each in "${wanted[@]}"; do
  "bench_$each" "$@"
done
