"""Reads the includes of every source file and fails on an edge that ARCHITECTURE.md does not draw."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^#include [<"]([^>"]+)[>"]', re.MULTILINE)

# A folder of ours -> the folders of ours that it may include, beside itself. The longest prefix of a path decides.
ALLOWED = {
    "core": [],
    "server/process": [],
    "server/log": [],
    "server/scheduling": ["core"],
    "server/sessions": ["server/scheduling", "core"],
    "server/storage": ["server/sessions", "core"],
    "server/services": ["server/sessions", "core", "proto"],
    "server/flags.h": ["server/sessions", "server/services"],
    "server/flags.cc": ["server/flags.h"],
    "server/main.cc": ["server/flags.h", "server/process", "server/log", "server/scheduling", "server/sessions",
                       "server/storage", "server/services", "core"],
    "client": ["proto"],
    "client/data": ["client", "proto"],
    "client/cli": ["client", "client/data", "proto"],
}

# A library -> the folders that may include it.
LIBRARIES = {
    re.compile(r"grpc(pp)?/"): ["server/services", "server/log", "client", "client/cli"],
    re.compile(r"google/|.*\.pb\.h$"): ["server/services", "server/log", "client", "client/data", "client/cli"],
    re.compile(r"spdlog/"): ["server/main.cc", "server/log"],
    re.compile(r"CLI/"): ["server/flags.h", "server/flags.cc", "server/main.cc", "client/cli"],
    re.compile(r"SQLiteCpp/|sqlite3\.h|cereal/"): ["server/storage"],
    re.compile(r"zlib\.h|libdeflate\.h"): ["server/storage", "server/services", "client", "client/data"],
    re.compile(r"csv\.h"): ["client/data"],
    re.compile(r"gperftools/"): ["server/process"],
    re.compile(r"(thread|mutex|condition_variable|future|semaphore)$"): [
        "server/process", "server/scheduling", "server/sessions", "server/storage", "server/services", "server/main.cc",
        "client", "client/cli"],
    re.compile(r"(fstream|iostream|cstdio|filesystem)$"): [
        "server/process", "server/storage", "server/main.cc", "client/data", "client/cli"],
}


def folder_of(path: str) -> str | None:
    """The entry of ALLOWED that `path` belongs to, or `proto` for generated headers."""
    if path.startswith(("backprop/v1/", "google/rpc/")):
        return "proto"
    matches = [name for name in ALLOWED if path == name or path.startswith(name + "/")]
    return max(matches, key=len, default=None)


def violations(path: str, text: str) -> list[str]:
    folder = folder_of(path)
    found = []
    for include in INCLUDE.findall(text):
        target = folder_of(include)
        if target is not None and target != folder and target not in ALLOWED[folder]:
            found.append(f"{path} includes {include}: {folder} must not depend on {target}")
        for library, folders in LIBRARIES.items():
            if library.match(include) and folder not in folders:
                found.append(f"{path} includes {include}: only {', '.join(folders)} may")
    return found


def sources() -> list[pathlib.Path]:
    return [path for top in ("core", "server", "client") for path in sorted((ROOT / top).rglob("*"))
            if path.suffix in (".h", ".cc")]


def self_test() -> None:
    """The test must fail where an arrow is drawn the wrong way."""
    assert violations("core/x.h", '#include "server/sessions/session.h"\n')
    assert violations("server/sessions/x.h", '#include "backprop/v1/session.pb.h"\n')
    assert violations("server/scheduling/x.cc", '#include "server/sessions/session.h"\n')
    assert violations("client/x.cc", '#include "core/error.h"\n')
    assert violations("core/x.cc", "#include <thread>\n")
    assert violations("server/sessions/x.cc", "#include <SQLiteCpp/Database.h>\n")
    assert violations("server/services/x.cc", '#include "server/storage/ephemeral_store.h"\n')
    assert not violations("server/services/x.cc", '#include "core/error.h"\n#include "backprop/v1/session.pb.h"\n')


if __name__ == "__main__":
    self_test()
    paths = sources()
    assert len(paths) > 50, "the sources were not found"
    problems = [problem for path in paths
                for problem in violations(str(path.relative_to(ROOT)), path.read_text())]
    print("\n".join(problems) or f"{len(paths)} files keep to the layers")
    sys.exit(1 if problems else 0)
