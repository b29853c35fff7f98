"""Details of errors in JSON, for the types that every peer may use: those of ``google.rpc``."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from eventflux_runtime import ErrorDetail, error_details

__all__ = ["known_detail", "opaque_detail"]

_PACKAGE: Final = "google.rpc."


def known_detail(detail: ErrorDetail) -> dict[str, Any] | None:
    """A detail of a type of ``google.rpc`` as protobuf's JSON has it in an ``Any``; None for any other."""
    name = detail.type_url.rpartition("/")[2]
    kind: Any = getattr(error_details, name.removeprefix(_PACKAGE), None) if name.startswith(_PACKAGE) else None
    message: Any = detail.unpack(kind) if hasattr(kind, "from_protobuf") else None
    if message is None:
        return None
    fields: dict[str, Any] = json.loads(message.to_json())
    return {"@type": detail.type_url, **fields}


def opaque_detail(detail: ErrorDetail) -> dict[str, Any]:
    """A detail of a type that nobody here knows: its name and its bytes."""
    return {"@type": detail.type_url, "value": base64.b64encode(detail.value).decode()}
