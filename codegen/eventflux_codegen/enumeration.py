"""Builds the model of enums: member names without their prefix, aliases, docstrings."""

from __future__ import annotations

import keyword
from collections.abc import Mapping

from eventflux_codegen.deprecation import noted, reason
from eventflux_codegen.docstring import as_docstring
from eventflux_codegen.error import GenerationError, nearest
from eventflux_codegen.foreign import Names
from eventflux_codegen.model import Enumeration, Member
from eventflux_codegen.names import ClassNames, resolve
from eventflux_codegen.naming import as_constant, as_member
from eventflux_codegen.options import EnumOptions, Options
from eventflux_codegen.schema import EnumNode, Schema
from eventflux_codegen.scope import Scope
from eventflux_codegen.shared import HOME, is_in_runtime
from eventflux_codegen.yaml_source import Places

__all__ = ["build_enums"]


def build_enums(schema: Schema, options: Options, places: Places, names: ClassNames) -> dict[str, Enumeration]:
    """Every enum by its full name."""
    keys = resolve(options.enums, schema.own_enums, schema, places, "enums", "enum")
    enums = {}
    for full_name, node in schema.enums.items():
        key = keys.get(full_name)
        own = options.enums[key] if key is not None else EnumOptions()
        prefix = _prefix(node, own, key, places)
        stem = names.by_full_name[full_name]
        is_shared = is_in_runtime(node)
        home = schema.foreign.get(full_name)
        is_deprecated = node.descriptor.options.deprecated or node.source.descriptor.options.deprecated
        local = names.shared_local(stem) if is_shared else names.local(stem)
        enums[full_name] = Enumeration(
            name=f"well_known.{stem}" if is_shared else stem,
            local=local,
            full_name=full_name,
            snake=names.stems[full_name],
            is_shared=is_shared,
            home=HOME if is_shared else home.package if home is not None else "",
            exported=stem if home is None else home.classes[full_name],
            doc=noted(as_docstring(node.comment, f"The enum {full_name}."), is_deprecated=is_deprecated),
            members=_members(
                node, prefix, _wished(node, own, key, places, names) if home is None else _named(node, home)
            ),
            is_closed=node.is_closed,
            deprecated=reason(full_name, node.comment, is_deprecated=is_deprecated),
        )
    return enums


def _named(node: EnumNode, home: Names) -> dict[str, str]:
    """The members that another package has."""
    return {value.name: home.called(node.full_name, value.name) for value in node.descriptor.value}


def _wished(node: EnumNode, own: EnumOptions, key: str | None, places: Places, names: ClassNames) -> dict[str, str]:
    """The names that the options give values."""
    wished: dict[str, str] = {}
    known = [value.name for value in node.descriptor.value]
    for value, option in own.values.items():
        where = places("enums", key or "", "values", value)
        if value not in known:
            raise GenerationError(f"{node.full_name} has no value {value!r}: {nearest(value, known)}", where)
        if option.name is None:
            continue
        if not option.name.isidentifier() or as_member(option.name) != option.name:
            message = f"{node.full_name}.{value} cannot be named {option.name} in Python: choose another name"
            names.refuse(GenerationError(message, where))
        if option.name in wished.values():
            names.refuse(GenerationError(f"two values of {node.full_name} are named {option.name}: keep one", where))
        wished[value] = option.name
    return wished


def _prefix(node: EnumNode, own: EnumOptions, key: str | None, places: Places) -> str:
    values = [value.name for value in node.descriptor.value]
    if own.strip_prefix is not None and key is not None:
        lacking = [name for name in values if not name.startswith(own.strip_prefix)]
        unusable = [name for name in values if not _is_usable(name, own.strip_prefix)]
        if lacking or unusable:
            raise GenerationError(
                f"strip_prefix {own.strip_prefix!r} does not leave a name of {(lacking or unusable)[0]}: "
                "give a prefix that every value has",
                places("enums", key, "strip_prefix"),
            )
        return own.strip_prefix
    prefix = f"{as_constant(node.descriptor.name)}_"
    return prefix if all(_is_usable(name, prefix) for name in values) else ""


def _is_usable(name: str, prefix: str) -> bool:
    rest = name.removeprefix(prefix)
    return name.startswith(prefix) and (rest.isidentifier() or keyword.iskeyword(rest)) and not rest.startswith("_")


def _members(node: EnumNode, prefix: str, wished: Mapping[str, str]) -> tuple[Member, ...]:
    scope = Scope(wished.values())
    plain = {value.name: value.name.removeprefix(prefix) for value in node.descriptor.value if value.name not in wished}
    taken = {**scope.take_all({name: as_member(rest) for name, rest in plain.items()}, plain), **wished}
    members = []
    for index, value in enumerate(node.descriptor.value):
        comment = node.source.comment((*node.path, 2, index))
        doc = as_docstring(comment, f"The value {value.name}.") if comment else ()
        doc = noted(doc, is_deprecated=value.options.deprecated)
        plain_name = value.name.removeprefix(prefix)
        members.append(Member(taken[value.name], value.name, value.number, doc, plain_name))
    return tuple(members)
