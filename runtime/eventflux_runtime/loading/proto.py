"""Loads what protobuf's own modules define, and says in one line what keeps them from being loaded."""

from __future__ import annotations

import re
from importlib import import_module
from operator import attrgetter
from typing import Any, Final

from eventflux_runtime.rpc.errors import ConfigError, MissingExtraError

__all__ = ["load_proto"]

_COMMON: Final = re.compile(
    r"google\.(?:api|cloud|gapic|logging|longrunning|rpc|type)"
    r"|google\.(?:api|gapic|logging|longrunning|rpc|type)\..+"
    r"|google\.cloud\.(?:common_resources_pb2|extended_operations_pb2|location(?:\..+)?)"
)
"""What googleapis-common-protos brings."""
_UNFOUND: Final = re.compile(r"cannot import name '(\w+)'")
_SOURCE: Final = re.compile(r"^# source: (.+)$", re.MULTILINE)
_SYMBOL: Final = re.compile(r"duplicate symbol '([^']+)'")
_UNFIT: Final = re.compile(r"Couldn't build proto file into descriptor pool: |(?=Conflict register )")


def load_proto(place: str, feature: str) -> Any:
    """What stands at a place: a class of protobuf's, or a descriptor.

    Args:
        place: as ``package.module_pb2:Outer.Inner``.
        feature: what needs it, for the error.

    Raises:
        MissingExtraError: protobuf is not installed, or googleapis-common-protos.
        ConfigError: another package is not installed, or the process has a different file of the same name, or with
            a definition of the same name.
    """
    module, _, path = place.partition(":")
    try:
        return attrgetter(path)(import_module(module))
    except ImportError as error:
        raise _missing(error, feature) from error
    except TypeError as error:  # which is what protobuf's pool raises
        if _UNFIT.match(str(error)) is None:
            raise
        raise _unfit(error, module, feature) from error


def _missing(error: ImportError, feature: str) -> ConfigError:
    module = error.name or ""
    if module in {"google", "google.protobuf"}:
        return MissingExtraError(feature, "protobuf")
    if isinstance(error, ModuleNotFoundError):
        if _COMMON.fullmatch(module):
            return MissingExtraError(feature, "protobuf", package="googleapis-common-protos")
    else:  # a package that is there, without that module
        unfound = _UNFOUND.search(str(error))
        module = f"{module}.{unfound[1]}" if unfound else module
        if _COMMON.fullmatch(module):
            how = "run pip install --upgrade googleapis-common-protos"
            return ConfigError(f"{feature} needs {module}, which is not in the package that is installed: {how}")
    return ConfigError(f"{feature} needs {module}, which cannot be imported: install the package that has it")


def _unfit(error: TypeError, module: str, feature: str) -> ConfigError:
    file = _source_of(error) or f"the file of {module}"
    return ConfigError(
        f"{feature} cannot be loaded: {file} does not fit what this process has already ({_reason(error)}): "
        "make all modules of one version of the file, or give yours a path and a proto package of its own"
    )


def _source_of(error: TypeError) -> str:
    """The file of the innermost module of protobuf's that was being loaded; empty where nothing says it."""
    file, step = "", error.__traceback__
    while step is not None:
        module = step.tb_frame.f_globals
        if module["__name__"].endswith("_pb2"):
            found = _SOURCE.search(module["__loader__"].get_source(module["__name__"]) or "")
            file = found[1] if found else ""
        step = step.tb_next
    return file


def _reason(error: TypeError) -> str:
    """What the pool says, and who has the symbol."""
    text = _UNFIT.sub("", " ".join(str(error).split()), count=1)
    symbol = _SYMBOL.search(text)
    if symbol is None:
        return text.partition(". Please fix")[0]
    from google.protobuf import descriptor_pool  # noqa: PLC0415 - which is there, as it has raised the error

    return f"{text} of {descriptor_pool.Default().FindFileContainingSymbol(symbol[1]).name}"
