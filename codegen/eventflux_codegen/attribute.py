"""What the attributes of a message class are called: one for each field, and one for each oneof."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from eventflux_codegen.error import GenerationError, nearest
from eventflux_codegen.foreign import Names
from eventflux_codegen.names import ClassNames
from eventflux_codegen.naming import as_field
from eventflux_codegen.options import FieldOptions, MessageOptions, OneofOptions
from eventflux_codegen.schema import MessageNode
from eventflux_codegen.scope import Scope
from eventflux_codegen.yaml_source import Places

__all__ = ["Attributes"]


@dataclass(frozen=True, slots=True)
class Attributes:
    """The names of a message's attributes; fields and oneofs have names in common in the IDL too."""

    by_proto_name: Mapping[str, str]

    def __contains__(self, name: str) -> bool:
        return name in self.by_proto_name.values()

    def __getitem__(self, proto_name: str) -> str:
        return self.by_proto_name[proto_name]

    @staticmethod
    def of(node: MessageNode, own: MessageOptions, places: Places, names: ClassNames, *path: str) -> Attributes:
        """The attributes of one message.

        Raises:
            GenerationError: the options name a field, a oneof or a choice that there is not.
        """
        fields = [field.name for field in node.descriptor.field if not node.is_choice(field)]
        choices = [field.name for field in node.descriptor.field if node.is_choice(field)]
        oneofs = [oneof.name for index, oneof in enumerate(node.descriptor.oneof_decl) if node.choices(index)]
        for section, what, known in (("fields", "field", fields), ("oneofs", "oneof", oneofs)):
            _check_known(getattr(own, section), known, what, node, places, *path, section)
        _check_known(own.choices, choices, "choice of a oneof", node, places, *path, "choices")
        wished: dict[str, str] = {}
        for section, name, option in _renamed(own):
            if option.name is not None:
                _check_name(option.name, wished, f"{node.full_name}.{name}", names, places, *path, section, name)
                wished[name] = option.name
        plain = {name: name for name in (*fields, *oneofs) if name not in wished}
        taken = Scope(wished.values()).take_all({name: as_field(name) for name in plain}, plain)
        return Attributes({**taken, **wished})

    @staticmethod
    def named(node: MessageNode, home: Names) -> Attributes:
        """Those of a message whose class another package has."""
        names = [*(field.name for field in node.descriptor.field), *(one.name for one in node.descriptor.oneof_decl)]
        return Attributes({name: home.called(node.full_name, name) for name in names})


def _renamed(own: MessageOptions) -> Iterator[tuple[str, str, FieldOptions | OneofOptions]]:
    for name, field in own.fields.items():
        yield "fields", name, field
    for name, oneof in own.oneofs.items():
        yield "oneofs", name, oneof


def _check_known(
    section: Mapping[str, object], known: list[str], what: str, node: MessageNode, places: Places, *path: str
) -> None:
    for name in section:
        if name not in known:
            message = f"{node.full_name} has no {what} {name!r}: {nearest(name, known)}"
            raise GenerationError(message, places(*path, name))


def _check_name(name: str, wished: Mapping[str, str], what: str, names: ClassNames, places: Places, *path: str) -> None:
    if not name.isidentifier() or as_field(name) != name:
        message = f"{what} cannot be named {name} in Python: choose another name"
        names.refuse(GenerationError(message, places(*path)))
    elif name in wished.values():
        names.refuse(GenerationError(f"{what} and another field are named {name}: keep one", places(*path)))
