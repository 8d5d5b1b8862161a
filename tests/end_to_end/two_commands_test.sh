#!/usr/bin/env bash
# scripts/test.sh and scripts/demo.sh where they have run before: from any directory, at once, and nothing of theirs is
# left when they are interrupted. Seconds are those of a machine that is busy.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)

# Servers of this build that run.
servers() {
  find /proc/[0-9]*/exe -lname "$root/build/release/server/backpropd" 2>/dev/null || true
}
fail() {
  echo "two_commands_test: $*" >&2
  exit 1
}

cd /
start=$SECONDS
"$root/scripts/test.sh" -R layering_test
[ $((SECONDS - start)) -le 60 ] || fail "scripts/test.sh takes $((SECONDS - start)) s for one test when run again"

start=$SECONDS
(cd "$(mktemp -d)" && "$root/scripts/demo.sh") | tail -n 1 | grep '^test accuracy'
[ $((SECONDS - start)) -le 150 ] || fail "scripts/demo.sh takes $((SECONDS - start)) s when run again"
[ -z "$(servers)" ] || fail "the demonstration left a server behind"

output=$(mktemp -u)
mkfifo "$output"
trap 'rm -f "$output"' EXIT
for signal in INT TERM; do
  # Of a group of its own. A shell has what it starts in the background ignore SIGINT, unlike a terminal.
  env --default-signal=INT setsid "$root/scripts/demo.sh" >"$output" 2>&1 &
  demo=$!
  exec 3<"$output"
  # In the midst of its training.
  grep -m 1 '^epoch ' <&3 >/dev/null || fail "no training"
  [ -n "$(servers)" ] || fail "no server trains"
  # A terminal sends it to all processes of the group, a supervisor to the script.
  [ "$signal" = TERM ] && kill -TERM "$demo" || kill -INT -- "-$demo"
  wait "$demo" || true
  exec 3<&-
  [ -z "$(servers)" ] || fail "SIG$signal left a server behind"
done
