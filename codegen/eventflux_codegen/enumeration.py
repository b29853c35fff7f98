"""Builds the model of enums: member names without their prefix, aliases, docstrings."""

from __future__ import annotations

import keyword

from eventflux_codegen.deprecation import noted, reason
from eventflux_codegen.docstring import as_docstring
from eventflux_codegen.error import GenerationError
from eventflux_codegen.model import Enumeration, Member
from eventflux_codegen.names import ClassNames, resolve
from eventflux_codegen.naming import as_constant, as_member, as_snake
from eventflux_codegen.options import EnumOptions, Options
from eventflux_codegen.schema import EnumNode, Schema
from eventflux_codegen.shared import is_in_runtime
from eventflux_codegen.yaml_source import Places

__all__ = ["build_enums"]


def build_enums(schema: Schema, options: Options, places: Places, names: ClassNames) -> dict[str, Enumeration]:
    """Every enum by its full name."""
    keys = resolve(options.enums, schema.enums, schema, places, "enums", "enum")
    enums = {}
    for full_name, node in schema.enums.items():
        key = keys.get(full_name)
        own = options.enums[key] if key is not None else EnumOptions()
        prefix = _prefix(node, own, key, places)
        stem = names.by_full_name[full_name]
        is_shared = is_in_runtime(node)
        is_deprecated = node.descriptor.options.deprecated or node.source.descriptor.options.deprecated
        local = names.shared_local(stem) if is_shared else names.local(stem)
        enums[full_name] = Enumeration(
            name=f"well_known.{stem}" if is_shared else stem,
            local=local,
            full_name=full_name,
            snake=as_snake(local if is_shared else stem),
            is_shared=is_shared,
            doc=noted(as_docstring(node.comment, f"The enum {full_name}."), is_deprecated=is_deprecated),
            members=_members(node, prefix),
            deprecated=reason(full_name, node.comment, is_deprecated=is_deprecated),
        )
    return enums


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


def _members(node: EnumNode, prefix: str) -> tuple[Member, ...]:
    taken: dict[str, str] = {}
    members = []
    for index, value in enumerate(node.descriptor.value):
        name = as_member(value.name.removeprefix(prefix))
        if name in taken or name.startswith("_"):
            reason = f"is {taken[name]} already" if name in taken else "enums do not take, for its underscore"
            raise GenerationError(
                f"{node.full_name}.{value.name} would be named {name} in Python, which {reason}: "
                "set strip_prefix of the enum in the options",
                node.source.place((*node.path, 2, index)),
            )
        taken[name] = value.name
        comment = node.source.comment((*node.path, 2, index))
        doc = noted(as_docstring(comment, "") if comment else (), is_deprecated=value.options.deprecated)
        members.append(Member(name, value.name, value.number, doc))
    return tuple(members)
