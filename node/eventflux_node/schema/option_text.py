"""Options as they would stand in a .proto file, those of the user's own included where their definition is known."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import message_factory, text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message

__all__ = ["option_texts"]

_HIDDEN = frozenset({"uninterpreted_option", "map_entry"})


def option_texts(options: Message, pool: DescriptorPool) -> list[str]:
    """``name = value`` for each option that is set; the name of one of the user's own stands in parentheses."""
    texts: list[str] = []
    for field, value in _known_in(options, pool).ListFields():
        if field.name in _HIDDEN:
            continue
        name = f"({field.full_name})" if field.is_extension else field.name
        texts += [f"{name} = {_value(field, item)}" for item in (value if field.is_repeated else [value])]
    return texts


def _known_in(options: Message, pool: DescriptorPool) -> Message:
    """The same options, with those that the files of a pool define; nothing else knows their names."""
    try:
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(options.DESCRIPTOR.full_name))
        known = kind()
        known.ParseFromString(options.SerializeToString())
    except (KeyError, DecodeError):
        return options
    return known


def _value(field: FieldDescriptor, value: Any) -> str:
    if field.message_type is not None:
        text = text_format.MessageToString(value, as_one_line=True, as_utf8=True)
        return f"{{ {text} }}" if text else "{}"
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return json.dumps(value.decode("latin-1"))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
