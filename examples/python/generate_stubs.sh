#!/usr/bin/env bash
# Generates the Python stubs of backprop.v1, and of google.rpc for decoding errors: generate_stubs.sh FOLDER
# Needs Debian's python3-grpc-tools and golang-github-gogo-googleapis-dev.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }

protos=$(cd "$(dirname "$0")/../../proto" && pwd)
google=/usr/share/gocode/src/github.com/gogo/googleapis
mkdir -p "$1"
# Debian's Python, which has the packages, whatever other Python comes first in PATH.
/usr/bin/python3 -m grpc_tools.protoc -I"$protos" -I"$google" --python_out="$1" --grpc_python_out="$1" \
  "$protos"/backprop/v1/*.proto "$google"/google/rpc/{status,error_details}.proto
