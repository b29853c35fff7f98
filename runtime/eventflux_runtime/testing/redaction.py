"""Messages and metadata without what is not to be written down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from eventflux_runtime.message.base import Message
from eventflux_runtime.message.redaction import REDACTED, RedactedChoice
from eventflux_runtime.message.registration import registered
from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.rpc.metadata import Metadata, MetadataValue
from eventflux_runtime.well_known.messages import Any as PackedMessage

__all__ = ["redacted_message", "redacted_metadata"]

_BINARY: Final = "-bin"


def redacted_message(message: Any) -> Any:
    """A copy in which the fields that the IDL marks as `debug_redact` have their defaults, in what lies in it too.

    A message that is packed in an `Any` is looked at if its class is loaded. Unknown fields are left out.
    """
    if isinstance(message, PackedMessage):
        return _repacked(message)
    if isinstance(message, Message):
        shown = {name for name in message.__struct_fields__ if name not in message.__redacted__}
        return type(message)(**{name: redacted_message(getattr(message, name)) for name in shown})
    if isinstance(message, RedactedChoice):
        return None
    if isinstance(message, msgspec.Struct):  # the choice of a oneof
        return type(message)(*(redacted_message(getattr(message, name)) for name in message.__struct_fields__))
    if isinstance(message, list):
        return [redacted_message(item) for item in message]
    if isinstance(message, dict):
        return {key: redacted_message(item) for key, item in message.items()}
    return message


def _repacked(packed: PackedMessage) -> PackedMessage:
    try:
        packed.to_json()  # which loads the class, if there is one
        registration = registered(packed.type_name)
        message = None if registration is None else registration.kind.from_protobuf(packed.value)
    except CodecError:
        return packed
    if message is None:
        return packed
    return PackedMessage(type_url=packed.type_url, value=redacted_message(message).to_protobuf())


def redacted_metadata(metadata: Metadata, keys: Iterable[str]) -> Metadata:
    """The same with ``<redacted>`` in the place of the values of some keys."""
    hidden = {key.lower() for key in keys}
    return Metadata.from_trusted(
        tuple((key, _stand_in(key) if key in hidden else value) for key, value in metadata.pairs)
    )


def _stand_in(key: str) -> MetadataValue:
    return REDACTED.encode() if key.endswith(_BINARY) else REDACTED
