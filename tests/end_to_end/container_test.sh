#!/usr/bin/env bash
# Builds the container image, runs it as hardened as docker/compose.yaml does, and does the main job against it.
#
#   container_test.sh            builds the image first, which compiles everything
#   container_test.sh IMAGE      takes an image that is there
#
# CONTAINER_TOOL is a script with the commands `env`, `build` and `run`; it needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
tool=$(realpath "${CONTAINER_TOOL:-../shared/tools/container.sh}")

name=backpropd-test-$$
image=${1:-localhost/$name}
work=$(mktemp -d)
run=

cleanup() {
  [ -z "$run" ] || { podman rm --force --time 5 "$name" && wait "$run"; } >/dev/null 2>&1 || true
  podman volume rm --force "$name" >/dev/null 2>&1 || true
  [ "$image" != "localhost/$name" ] || podman rmi --force "$image" >/dev/null 2>&1 || true
  rm -rf "$work"
}
# How docker/compose.yaml hardens it, as flags of `podman run`.
hardening() {
  /usr/bin/python3 - docker/compose.yaml <<'PYTHON'
import sys, yaml
service = yaml.safe_load(open(sys.argv[1]))["services"]["backpropd"]
assert service["read_only"] is True and service["build"] == {"context": "..", "dockerfile": "docker/Dockerfile"}
assert service["ports"] == ["127.0.0.1:50051:50051"] and service["volumes"] == ["data:/var/lib/backpropd"]
print("--read-only", *(f"--tmpfs={path}" for path in service["tmpfs"]),
      *(f"--cap-drop={capability}" for capability in service["cap_drop"]),
      *(f"--security-opt={option.removesuffix(':true')}" for option in service["security_opt"]))
PYTHON
}
fail() { echo "FAILED: $*" >&2; exit 1; }
step() { printf '== %s (after %d s)\n' "$*" "$SECONDS"; }
in_container() { podman exec "$name" "$@"; }
backprop() { in_container backprop "$@"; }

if [ $# -eq 0 ]; then
  step "Building $image"
  # The format that knows HEALTHCHECK.
  "$tool" build "$image" docker/Dockerfile . --format docker >"$work/build.log" 2>&1 ||
    { tail -n 50 "$work/build.log"; rm -rf "$work"; fail "the image does not build"; }
fi
eval "$("$tool" env)"
trap cleanup EXIT

step "What the image promises"
config=$(podman image inspect "$image" --format \
  '{{.Config.User}} {{.Config.Entrypoint}} {{.Config.Cmd}} {{.Config.ExposedPorts}} {{.Config.Volumes}}')
expected='10001:10001 [backpropd] [--listen 0.0.0.0:50051 --data-dir /var/lib/backpropd]'
expected+=' map[50051/tcp:{}] map[/var/lib/backpropd:{}]'
[ "$config" = "$expected" ] || fail "the image is configured as: $config"

step "Starting it read-only, without capabilities"
/usr/bin/python3 tests/end_to_end/prepare_datasets.py "$work/data"
chmod -R a+rX "$work"
# The network is the host's, so the port must be one that is free there, and on the loopback interface alone.
port=$(/usr/bin/python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
address=127.0.0.1:$port
mkfifo "$work/ready"
read -r -a flags < <(hardening)
[ "${#flags[@]}" -ge 4 ] || fail "docker/compose.yaml does not harden the service: ${flags[*]}"
start() {
  "$tool" run "$image" --name "$name" --replace "${flags[@]}" --volume "$work/data:/data:ro" \
    --volume "$name:/var/lib/backpropd" --env "BACKPROP_SERVER=$address" \
    -- --listen "$address" --data-dir /var/lib/backpropd >"$work/ready" 2>"$work/log" &
  run=$!
  read -r -t 120 ready <"$work/ready" || { cat "$work/log"; fail "it does not get ready"; }
  [ "$ready" = "backpropd listening on $address" ] || fail "it says: $ready"
}
stop() {
  podman stop --time 60 "$name" >/dev/null
  code=0
  wait "$run" || code=$?
  run=
  [ "$code" -eq 0 ] || { cat "$work/log"; fail "it ended with exit code $code"; }
}
start
podman healthcheck run "$name" || fail "it is not healthy"

step "What the process may do"
status=/proc/$(podman inspect "$name" --format '{{.State.Pid}}')/status
for line in 'Uid:\s10001\s10001\s10001\s10001' 'Gid:\s10001\s10001\s10001\s10001' 'NoNewPrivs:\s1' \
  'CapEff:\s0000000000000000' 'CapBnd:\s0000000000000000'; do
  grep -qP "^$line\$" "$status" || { cat "$status"; fail "the process lacks $line"; }
done
in_container touch /usr/local/bin/new 2>/dev/null && fail "its root file system can be written"
in_container touch /var/lib/backpropd/new || fail "its data directory cannot be written"

step "The main job"
backprop create iris --layers 4,8,3 --task multiway --seed 1
backprop append iris /data/iris-training.csv --header --targets species
backprop append iris /data/iris-test.csv --header --targets species --set test
backprop scale iris --standardize
backprop train iris --epochs 150 --batch-size 16 --optimizer adam --step-size 0.01 --seed 1 | tail -n 1
backprop evaluate iris --set test | tee "$work/evaluation"
awk '$1 == "accuracy" { accuracy = $2 } END { exit !(accuracy >= 0.94) }' "$work/evaluation" || fail "it learns badly"
backprop predict iris /data/iris-test.csv --header --targets species --count 3

step "Stopping it while it trains"
backprop train iris --epochs 1000000 --batch-size 1 --detach
stop

step "Starting it again on its volume"
backprop_state() { backprop runs iris | awk '$1 ~ /run-2$/ { print $2 }'; }
start
state=$(backprop_state)
[ "$state" = running ] || [ "$state" = queued ] || fail "the training run does not go on, it is: $state"
backprop cancel iris
backprop evaluate iris --set test
stop
step "Passed"
