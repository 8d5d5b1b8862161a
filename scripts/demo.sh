#!/usr/bin/env bash
# The main job on real data: builds backpropd, streams Fashion-MNIST into a session, trains, evaluates, predicts.
# Everything goes over gRPC, through the command line client. Ends everything that it starts.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

say "Installing what is missing"
scripts/install_dependencies.sh demo

say "Building Release"
cmake --preset release -DBACKPROP_WITH_TESTS=OFF >/dev/null
cmake --build --preset release --target backpropd backprop_cli

# A job, not a process substitution: a shell that a signal ends waits for its jobs only.
server=
finish() {
  [ -z "$server" ] || { kill "$server" && wait "$server"; } || true
  server=
}
trap finish EXIT

say "Starting backpropd"
# It prints one line when it is ready: `backpropd listening on HOST:PORT`.
pipe=$(mktemp -u)
mkfifo "$pipe"
build/release/server/backpropd --listen 127.0.0.1:0 --ephemeral >"$pipe" &
server=$!
exec 3<"$pipe"
rm "$pipe"
read -r ready <&3
echo "$ready"
export BACKPROP_SERVER=${ready##* }
backprop() {
  printf '$ backprop %s\n' "$*"
  build/release/client/cli/backprop "$@"
}
backprop health

data=/usr/share/datasets/fashion-mnist
names=t-shirt,trouser,pullover,dress,coat,sandal,shirt,sneaker,bag,boot
say "Streaming 70,000 images into a session: 55,000 to train on, 5,000 to validate, 10,000 to test"
backprop create fashion --layers 784,256,128,10 --task multiway --hidden relu --seed 1 --names "$names"
training=("$data/train-images-idx3-ubyte.gz" --labels "$data/train-labels-idx1-ubyte.gz")
backprop append fashion "${training[@]}" --count 55000
backprop append fashion "${training[@]}" --skip 55000 --set validation
backprop append fashion "$data/t10k-images-idx3-ubyte.gz" --labels "$data/t10k-labels-idx1-ubyte.gz" --set test
backprop scale fashion --set training --standardize

say "Training"
training_start=$SECONDS
backprop train fashion --epochs 12 --batch-size 128 --optimizer adam --step-size 0.001 --schedule cosine --seed 1 \
  --validation-set validation
echo "trained in $((SECONDS - training_start)) s"

say "Using the network"
backprop predict fashion "$data/t10k-images-idx3-ubyte.gz" --count 5
backprop gradient fashion --set test
backprop evaluate fashion --set test

accuracy=$(build/release/client/cli/backprop --output json evaluate fashion --set test |
  sed -n 's/.*"accuracy":\([0-9.]*\).*/\1/p')
say "Ending backpropd"
finish
LC_ALL=C printf 'test accuracy %.4f\n' "$accuracy"
