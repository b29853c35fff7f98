"""`Any` in proto3's JSON mapping: the fields of what is packed, beside the name of its type.

What is packed can be told only where its class is there: that of an imported package.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any as AnyValue
from typing import Final

from eventflux_runtime.message.base import Message
from eventflux_runtime.message.json_misfit import Misfit
from eventflux_runtime.message.json_read import read_message
from eventflux_runtime.message.json_scalar import checked_text
from eventflux_runtime.message.json_table import JsonForm
from eventflux_runtime.message.json_write import write_message
from eventflux_runtime.message.registration import Registration, registered
from eventflux_runtime.message.sibling import has_siblings
from eventflux_runtime.message.unknown import MAX_DEPTH
from eventflux_runtime.rpc.errors import CodecError
from eventflux_runtime.well_known import messages
from eventflux_runtime.well_known.messages import Any
from eventflux_runtime.well_known.struct import messages as struct_messages

__all__ = ["read_any", "write_any"]

_TYPE: Final = "@type"
_VALUE: Final = "value"


def write_any(message: Any, depth: int) -> object:
    """What is packed in a message that lies so deep in others. Raises Misfit."""
    if not message.type_url and not message.value:
        return {}
    registration = _registration_of(checked_text(message.type_url))
    try:
        packed = registration.kind.from_protobuf(message.value)
    except CodecError as error:
        raise Misfit(f"expected a packed {registration.type_name}; {error}", is_shown=False).within(".value") from None
    if isinstance(registration.json, JsonForm):
        return {_TYPE: message.type_url, _VALUE: write_message(packed, registration, _deeper(depth))}
    written = write_message(packed, registration, depth)
    assert isinstance(written, dict), "it has fields"
    return {_TYPE: message.type_url, **written}


def read_any(value: AnyValue, depth: int, ignore_unknown: bool) -> Any:
    """What is to be packed. Raises Misfit."""
    if not isinstance(value, dict):
        raise Misfit.of("an object", value)
    if not value:
        return Any()
    if _TYPE not in value:
        raise Misfit(f"expected the name of a type as {_TYPE!r}", is_shown=False)
    url = checked_text(value[_TYPE])
    registration = _registration_of(url)
    if isinstance(registration.json, JsonForm):
        if _VALUE not in value:
            raise Misfit(f"expected a {registration.type_name} as {_VALUE!r}", is_shown=False)
        packed = read_message(value[_VALUE], registration, _deeper(depth), ignore_unknown)
    else:
        fields = {name: item for name, item in value.items() if name != _TYPE}
        packed = read_message(fields, registration, depth, ignore_unknown)
    return Any(url, packed.to_protobuf())


def _deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise Misfit(f"nested more than {MAX_DEPTH} levels deep", is_shown=False)
    return depth + 1


def _registration_of(url: str) -> Registration[AnyValue]:
    """The class of a packed message, by its name. Raises Misfit."""
    name = url.rpartition("/")[2]
    found = registered(name)
    if found is None:
        _load_codecs()
        found = registered(name)
    if found is None:
        reason = f"no class is known for {name!r}: import the package that was generated from its IDL"
        raise Misfit(reason, is_shown=False).within(".type_url")
    return found


def _load_codecs() -> None:
    """Has every message class registered, which its codec does when it is loaded."""
    kinds: list[AnyValue] = [*Message.__subclasses__(), messages.Any, struct_messages.Value]
    for kind in kinds:
        assert kind.__registration__ is not None
    for package in {kind.__module__.rpartition(".")[0] for kind in kinds if has_siblings(kind)}:
        import_module(f"{package}.codec")
