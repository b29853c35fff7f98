"""The generated pb2 modules under each major version of protobuf that is in use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import warnings
warnings.simplefilter("error")
import google.protobuf
from eventflux_transport import Message, transport_pb2
from inventory_sdk import Item, ItemOriginSupplier
from kitchen_package import Scalars, WellKnown, kitchen_pb2
from eventflux_runtime.well_known import Timestamp

for message in (
    Message.event(b"x").with_header("a", "b"), Item(sku="s", origin=ItemOriginSupplier("acme"), stock={"a": 1}),
    Scalars(uint32s=[1, 2], maybe_bool=False), WellKnown(at=Timestamp(seconds=1)),
):
    proto = message.to_proto()
    assert type(message).from_proto(type(proto).FromString(proto.SerializeToString())) == message
    assert type(message).from_json(message.to_json()) == message
assert transport_pb2.DESCRIPTOR.name == "transport.proto"
print(google.protobuf.__version__)
"""


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("major", [6, 7])
def test_the_modules_load_and_work(major: int, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path)]
    subprocess.run([*pip, f"protobuf>={major},<{major + 1}"], check=True)
    # A package that others extend has an ``__init__``, and one without it would stand behind it, wherever it is.
    (tmp_path / "google" / "__init__.py").touch()
    search = [str(tmp_path), *(str(ROOT / part) for part in ("runtime", "generated", "tests/generated"))]
    program = f"import sys; sys.path[:0] = {search!r}\n{PROGRAM}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{major}.")
