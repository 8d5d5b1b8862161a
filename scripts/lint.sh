#!/usr/bin/env bash
# clang-format, clang-tidy and buf lint over everything. Needs `install_dependencies.sh ci` and what scripts/test.sh
# builds.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== clang-format"
git ls-files '*.h' '*.cc' | xargs clang-format --dry-run --Werror

echo "== buf lint"
buf=build/tools/node_modules/.bin/buf
[ -x $buf ] || npm install --silent --no-fund --no-audit --prefix build/tools @bufbuild/buf@1.75.0
protoc -Iproto -I/usr/share/gocode/src/github.com/gogo/googleapis --include_imports --include_source_info \
  --descriptor_set_out=build/tools/backprop.binpb proto/backprop/v1/*.proto
$buf lint build/tools/backprop.binpb --config buf.yaml

# Sign conversions: g++ warns of them in C++ only where asked, clang with -Wconversion. Precompiled headers: clang
# cannot read those of g++, and knows fewer warnings. Files are read as they were compiled, several at once where they
# were; the core, which is compiled for two kinds of processors, once.
echo "== clang-tidy"
mkdir -p build/lint
sed 's| -Winvalid-pch -include [^ ]*/cmake_pch.hxx||; s| -Wno-subobject-linkage||' build/release/compile_commands.json \
  >build/lint/compile_commands.json
python3 - build/lint/compile_commands.json <<'PYTHON' | xargs -P 2 -n 1 \
  clang-tidy --quiet -p build/lint --extra-arg=-Wno-sign-conversion 2> >(grep -v 'warnings generated' >&2)
import json, os, re, sys
skipped = re.compile("core_v[34]|cmake_pch.hxx.cxx")
commands = [entry for entry in json.load(open(sys.argv[1])) if not skipped.search(entry["command"])]
json.dump(commands, open(sys.argv[1], "w"))
ours = re.compile(r"^(build/release/)?(core|server|client)/.*\.(cc|cxx)$")
print("\n".join(sorted({f for f in (os.path.relpath(entry["file"]) for entry in commands) if ours.match(f)})))
PYTHON
