"""Makes `backprop.v1` importable, generated as examples/python shows; of grpc.health.v1 what tests need, by hand."""

import atexit
import subprocess
import sys
import tempfile

import grpc

from processes import PATIENCE_S, ROOT

# HealthCheckResponse: field 1 is 1 for SERVING, 2 for NOT_SERVING.
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"

_folder = tempfile.TemporaryDirectory()
atexit.register(_folder.cleanup)
subprocess.run([ROOT / "examples/python/generate_stubs.sh", _folder.name], check=True, timeout=PATIENCE_S)
sys.path.insert(0, _folder.name)


def health(channel: grpc.Channel, service: str) -> bytes:
    """The status of `service`, or of the whole server, whose name is empty."""
    request = b"\x0a" + bytes([len(service)]) + service.encode()
    return channel.unary_unary("/grpc.health.v1.Health/Check")(request, timeout=PATIENCE_S)
