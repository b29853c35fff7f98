"""Builds the named wire layouts that the options declare."""

from __future__ import annotations

from collections.abc import Mapping

from eventflux_codegen.error import GenerationError, nearest
from eventflux_codegen.model import Cardinality, ClosedEnum, Enumeration, Field, Layout, Value, ValueKind
from eventflux_codegen.naming import as_snake
from eventflux_codegen.options import LayoutOptions, MessageOptions
from eventflux_codegen.yaml_source import Places

__all__ = ["build_layouts"]


def build_layouts(
    options: MessageOptions, fields: Mapping[str, Field], enums: Mapping[str, Enumeration], places: Places, *path: str
) -> tuple[Layout, ...]:
    """The layouts of one message.

    Raises:
        GenerationError: a layout names a field or a member that does not exist, or one twice.
    """
    layouts = []
    for name, own in options.layouts.items():
        where = (*path, "layouts", name)
        if name == "native" or not name.isidentifier():
            reason = "is built in" if name == "native" else "is not an identifier"
            raise GenerationError(f"layout {name!r} {reason}: choose another name", places(*where))
        carried = [_field(field, fields, places, *where, "fields", index) for index, field in enumerate(own.fields)]
        for index, field in enumerate(own.fields):
            if field in own.fields[:index]:
                raise GenerationError(
                    f"field {field!r} stands here a second time: keep one", places(*where, "fields", index)
                )
        lacks = tuple(field for field in fields.values() if field not in carried)
        closed = _closed(own, fields, enums, places, *where)
        layouts.append(Layout(name, as_snake(name), tuple(carried), lacks, closed))
    return tuple(layouts)


def _field(name: str, fields: Mapping[str, Field], places: Places, *path: str | int) -> Field:
    if name not in fields:
        raise GenerationError(f"no field is named {name!r}: {nearest(name, fields)}", places(*path))
    return fields[name]


def _closed(
    options: LayoutOptions, fields: Mapping[str, Field], enums: Mapping[str, Enumeration], places: Places, *path: str
) -> dict[str, ClosedEnum]:
    closed = {}
    for name, members in options.variants.items():
        where = (*path, "variants", name)
        value = _enum_value(_field(name, fields, places, *where))
        if value is None or name not in options.fields:
            raise GenerationError(
                f"{name} is not a single enum field of this layout: variants are for those", places(*where)
            )
        known = {member.name for member in enums[value.annotation].members}
        for index, member in enumerate(members):
            if member not in known:
                raise GenerationError(
                    f"{value.annotation} has no member {member!r}: {nearest(member, known)}", places(*where, index)
                )
        closed[fields[name].name] = ClosedEnum(value, members)
    return closed


def _enum_value(field: Field) -> Value | None:
    is_enum = field.cardinality is Cardinality.SINGLE and field.value is not None and field.value.kind is ValueKind.ENUM
    return field.value if is_enum else None
