"""Which Python name each message, enum and oneof gets, and that no two get the same."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from eventflux_codegen.error import GenerationError, Place, nearest
from eventflux_codegen.naming import as_class, flatten
from eventflux_codegen.options import Options
from eventflux_codegen.schema import EnumNode, MessageNode, Schema
from eventflux_codegen.shared import is_in_runtime
from eventflux_codegen.yaml_source import Places

__all__ = ["ClassNames", "resolve"]

TAKEN: Final = frozenset(
    {
        # What the generated modules import or define at their top.
        "Any", "AnyBinding", "AsyncIterator", "BidiStream", "Binding", "BytesWriter", "CallOptions", "Client",
        "ClientStream", "Compression", "Context", "Coroutine", "EXPECTS", "FIELDS", "Final", "Method", "MethodKind",
        "Repeats", "RetryPolicy", "ServerStream", "Service", "StatusCode", "TYPE_CHECKING", "UNSET", "Unpack",
    }
)  # fmt: skip
"""Names that are taken in generated modules; a class of that name is imported there under another."""


@dataclass(slots=True)
class ClassNames:
    """Python names by full protobuf name; grows while names are claimed, and refuses a second claim."""

    by_full_name: dict[str, str] = field(default_factory=dict)
    _claims: dict[str, tuple[str, Place]] = field(default_factory=dict)

    def claim(self, name: str, what: str, place: Place) -> str:
        """Takes a name of the package's.

        Raises:
            GenerationError: something else has it already, or Python or the generated code needs it.
        """
        if keyword.iskeyword(name) or not name.isidentifier():
            raise GenerationError(f"{what} cannot be named {name} in Python: give it a 'name' in the options", place)
        if name in self._claims:
            other, where = self._claims[name]
            raise GenerationError(
                f"{what} and {other} ({where}) would both be named {name} in Python: give one a 'name' in the options",
                place,
            )
        self._claims[name] = what, place
        return name

    def local(self, name: str) -> str:
        """What a class is called in the modules that import it; ask when every name is claimed."""
        local = name
        while local in TAKEN or (local != name and local in self._claims):
            local += "Message"
        return local

    def shared_local(self, name: str) -> str:
        """What a class of the runtime is called in the modules that import it; ask when every name is claimed."""
        while name in TAKEN or name in self._claims:
            name = f"WellKnown{name}"
        return name

    @staticmethod
    def of(schema: Schema, options: Options, places: Places) -> ClassNames:
        """Names every message and enum of the schema."""
        names = ClassNames()
        message_options = resolve(options.messages, schema.messages, schema, places, "messages", "message")
        enum_options = resolve(options.enums, schema.enums, schema, places, "enums", "enum")
        nodes: Iterable[MessageNode | EnumNode] = (*schema.messages.values(), *schema.enums.values())
        for node in nodes:
            keys = message_options if isinstance(node, MessageNode) else enum_options
            section = options.messages if isinstance(node, MessageNode) else options.enums
            if is_in_runtime(node):
                names.by_full_name[node.full_name] = flatten(node.package, node.full_name)
                continue
            key = keys.get(node.full_name)
            wished = section[key].name if key is not None else None
            name = wished if wished is not None else as_class(flatten(node.package, node.full_name))
            names.by_full_name[node.full_name] = names.claim(name, node.full_name, node.place)
        return names


def resolve(
    section: Mapping[str, object],
    nodes: Mapping[str, object],
    schema: Schema,
    places: Places,
    key: str,
    what: str,
) -> dict[str, str]:
    """The option key of each full name that has one. A key is a full name, or one without its package.

    Raises:
        GenerationError: a key that names nothing.
    """
    packages = [source.descriptor.package for source in schema.sources]
    found: dict[str, str] = {}
    for name in section:
        candidates = [name, *(f"{package}.{name}" for package in packages if package)]
        match = next((candidate for candidate in candidates if candidate in nodes), None)
        if match is None:
            valid = [_local(full_name, packages) for full_name in nodes]
            raise GenerationError(f"{key}: no {what} is named {name!r}: {nearest(name, valid)}", places(key, name))
        if match in found:
            raise GenerationError(
                f"{key}: {name!r} and {found[match]!r} are the same {what}: keep one", places(key, name)
            )
        found[match] = name
    return found


def _local(full_name: str, packages: Iterable[str]) -> str:
    fitting = [package for package in packages if package and full_name.startswith(f"{package}.")]
    return full_name[len(max(fitting, key=len)) + 1 :] if fitting else full_name
