"""The message of docs/protocol.md that shows both encodings: its IDL, and its bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

__all__ = ["SAMPLE_NATIVE", "SAMPLE_PROTO", "SAMPLE_PROTOBUF"]

_PAGE: Final = (Path(__file__).resolve().parents[2] / "docs/protocol.md").read_text("utf-8")


def _block(head: str) -> str:
    (found,) = re.findall(rf"^```{head}\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def _bytes(name: str) -> bytes:
    """The hex pairs at the start of each line."""
    data = bytearray()
    for line in _block(f"bytes {name}").splitlines():
        pairs = re.match(r"(?:[0-9a-f]{2}(?: {1,2}|$))+", line)
        assert pairs, f"{name}: {line!r} does not start with bytes"
        data += bytes.fromhex(pairs[0])
    return bytes(data)


SAMPLE_PROTO: Final = _block("proto sample")
SAMPLE_NATIVE: Final = _bytes("native")
SAMPLE_PROTOBUF: Final = _bytes("protobuf")
