"""Messages as lines of JSON, the way `eventflux subscribe` prints them."""

from __future__ import annotations

import base64
from typing import Any

from eventflux_node.output import json_text
from eventflux_transport import Message

__all__ = ["json_line"]


def json_line(message: Message) -> str:
    """One line of JSON with every field that is set.

    The payload stands under ``payload`` as text where it is UTF-8, and otherwise under ``payload_base64``.
    """
    record: dict[str, Any] = {"id": message.id, "type": message.message_type.name}
    try:
        record["payload"] = message.payload.decode()
    except UnicodeDecodeError:
        record["payload_base64"] = base64.b64encode(message.payload).decode()
    for name in ("headers", "timestamp", "source_node", "target_node", "priority"):
        value = getattr(message, name)
        if value:
            record[name] = value
    if message.compression:
        record["compression"] = message.compression.name
    return json_text(record)
