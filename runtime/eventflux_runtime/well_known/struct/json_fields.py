"""`Struct`, `ListValue` and `Value` in JSON: what they stand for."""

from __future__ import annotations

from eventflux_runtime.message.json_plain import PLAIN
from eventflux_runtime.message.json_table import register_json_enum, register_json_form
from eventflux_runtime.well_known.struct.messages import ListValue, NullValue, Struct, Value

__all__: list[str] = []

register_json_enum(NullValue, {"NULL_VALUE": 0}, is_null=True)
register_json_form(
    Struct,
    lambda message, depth: PLAIN["struct"].write(message.fields, depth),
    lambda value, depth, _: Struct(PLAIN["struct"].read(value, depth)),
)
register_json_form(
    ListValue,
    lambda message, depth: PLAIN["list"].write(message.values, depth),
    lambda value, depth, _: ListValue(PLAIN["list"].read(value, depth)),
)
register_json_form(
    Value,
    lambda message, depth: PLAIN["value"].write(message.value, depth),
    lambda value, depth, _: Value(PLAIN["value"].read(value, depth)),
)
