"""The well-known messages in JSON: texts for times and masks, values for wrappers, tables for what has fields."""

from __future__ import annotations

from typing import Any as AnyValue

from eventflux_runtime.message.json_scalar import SCALARS
from eventflux_runtime.message.json_table import (
    JsonField,
    register_json,
    register_json_enum,
    register_json_form,
)
from eventflux_runtime.well_known import json_any, json_time
from eventflux_runtime.well_known.messages import (
    Any,
    Api,
    BoolValue,
    BytesValue,
    DoubleValue,
    Duration,
    Empty,
    Enum,
    EnumValue,
    Field,
    FieldCardinality,
    FieldKind,
    FieldMask,
    FloatValue,
    Int32Value,
    Int64Value,
    Method,
    Mixin,
    Option,
    SourceContext,
    StringValue,
    Syntax,
    Timestamp,
    Type,
    UInt32Value,
    UInt64Value,
)

__all__: list[str] = []


def _register_wrapper(kind: type[AnyValue], scalar: str) -> None:
    form = SCALARS[scalar]
    register_json_form(
        kind,
        lambda message, _depth: form.write(message.value),
        lambda value, _depth, _ignore_unknown: kind(form.read(value)),
    )


register_json_form(Any, json_any.write_any, json_any.read_any)
register_json_form(Duration, json_time.write_duration, json_time.read_duration)
register_json_form(FieldMask, json_time.write_field_mask, json_time.read_field_mask)
register_json_form(Timestamp, json_time.write_timestamp, json_time.read_timestamp)
_register_wrapper(BoolValue, "bool")
_register_wrapper(BytesValue, "bytes")
_register_wrapper(DoubleValue, "double")
_register_wrapper(FloatValue, "float")
_register_wrapper(Int32Value, "int32")
_register_wrapper(Int64Value, "int64")
_register_wrapper(StringValue, "string")
_register_wrapper(UInt32Value, "uint32")
_register_wrapper(UInt64Value, "uint64")

register_json_enum(Syntax, {f"SYNTAX_{member.name}": member for member in Syntax})
register_json_enum(FieldKind, {member.name: member for member in FieldKind})
register_json_enum(FieldCardinality, {f"CARDINALITY_{member.name}": member for member in FieldCardinality})
register_json(Empty)
register_json(SourceContext, JsonField("file_name", "string"))
register_json(Mixin, JsonField("name", "string"), JsonField("root", "string"))
register_json(Option, JsonField("name", "string"), JsonField("value", Any, is_optional=True))
register_json(
    EnumValue,
    JsonField("name", "string"),
    JsonField("number", "int32"),
    JsonField("options", Option, is_list=True),
)
register_json(
    Enum,
    JsonField("name", "string"),
    JsonField("enumvalue", EnumValue, is_list=True),
    JsonField("options", Option, is_list=True),
    JsonField("source_context", SourceContext, is_optional=True),
    JsonField("syntax", Syntax),
    JsonField("edition", "string"),
)
register_json(
    Field,
    JsonField("kind", FieldKind),
    JsonField("cardinality", FieldCardinality),
    JsonField("number", "int32"),
    JsonField("name", "string"),
    JsonField("type_url", "string"),
    JsonField("oneof_index", "int32"),
    JsonField("packed", "bool"),
    JsonField("options", Option, is_list=True),
    JsonField("json_name", "string"),
    JsonField("default_value", "string"),
)
register_json(
    Type,
    JsonField("name", "string"),
    JsonField("fields", Field, is_list=True),
    JsonField("oneofs", "string", is_list=True),
    JsonField("options", Option, is_list=True),
    JsonField("source_context", SourceContext, is_optional=True),
    JsonField("syntax", Syntax),
    JsonField("edition", "string"),
)
register_json(
    Method,
    JsonField("name", "string"),
    JsonField("request_type_url", "string"),
    JsonField("request_streaming", "bool"),
    JsonField("response_type_url", "string"),
    JsonField("response_streaming", "bool"),
    JsonField("options", Option, is_list=True),
    JsonField("syntax", Syntax),
    JsonField("edition", "string"),
)
register_json(
    Api,
    JsonField("name", "string"),
    JsonField("methods", Method, is_list=True),
    JsonField("options", Option, is_list=True),
    JsonField("version", "string"),
    JsonField("source_context", SourceContext, is_optional=True),
    JsonField("mixins", Mixin, is_list=True),
    JsonField("syntax", Syntax),
    JsonField("edition", "string"),
)
