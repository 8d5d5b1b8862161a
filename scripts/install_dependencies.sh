#!/usr/bin/env bash
# Installs the Debian packages that a purpose needs, if any is missing:
# install_dependencies.sh build|demo|test|peers|ci...
set -euo pipefail

build=(g++ cmake ninja-build pkg-config libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  libeigen3-dev libabsl-dev libspdlog-dev libcli11-dev libcsv-dev zlib1g-dev libdeflate-dev
  libgoogle-perftools-dev libsqlite3-dev libsqlitecpp-dev libcereal-dev golang-github-gogo-googleapis-dev)
demo=("${build[@]}" dataset-fashion-mnist)
test=("${build[@]}" libgtest-dev libgmock-dev python3 python3-grpcio python3-grpc-tools)
# libopenblas0-pthread: the peers' products go through libblas.so.3, and the reference BLAS would be no peer.
peers=("${build[@]}" libfann-dev libdlib-dev libopenblas0-pthread python3-torch python3-sklearn python3-threadpoolctl)
ci=("${test[@]}" clang-format clang-tidy python3-sklearn python3-yaml)
# A machine may have npm from elsewhere than Debian (NodeSource's nodejs contains it), and then the two conflict.
command -v npm >/dev/null || ci+=(npm)

packages=()
for purpose in "$@"; do
  case $purpose in
    build) packages+=("${build[@]}") ;;
    demo) packages+=("${demo[@]}") ;;
    test) packages+=("${test[@]}") ;;
    peers) packages+=("${peers[@]}") ;;
    ci) packages+=("${ci[@]}") ;;
    *) echo "usage: $0 build|demo|test|peers|ci..." >&2; exit 2 ;;
  esac
done

missing=()
for package in $(printf '%s\n' "${packages[@]}" | sort -u); do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "these packages are missing, and installing them needs root or sudo: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "Installing Debian packages: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
