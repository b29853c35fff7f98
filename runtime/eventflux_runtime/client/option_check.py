"""What one call is told: checked when it is given, so that the calls that are told nothing pay nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from eventflux_runtime.rpc.call_head import CallHead, ResponseInfo
from eventflux_runtime.rpc.checked import shown
from eventflux_runtime.rpc.config import Compression
from eventflux_runtime.rpc.deadline import Unset, checked_timeout
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.metadata import Metadata

__all__ = ["checked_head", "checked_options", "checked_response", "is_on", "own_compression"]

_NAMES: Final = ("timeout_s", "metadata", "wait_for_ready", "compression", "inherit", "response")


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a stream, before it starts.

    Raises:
        ConfigError: one has a wrong value.
        TypeError: there is no option of such a name.
    """
    kept = dict(options)
    for name, value in options.items():
        if name == "timeout_s":
            if value is not None and not isinstance(value, Unset):
                checked_timeout(value)
        elif name == "metadata":
            kept[name] = Metadata.of(value)
        elif name == "compression":
            own_compression(value)
        elif name == "response":
            checked_response(value)
        elif name in {"wait_for_ready", "inherit"}:
            is_on(name, value)
        else:
            raise TypeError(f"a call has no option {name!r}: it takes {', '.join(_NAMES)}")
    return kept


def own_compression(compression: object) -> Compression | None:
    """The algorithm of one call; None: its method's.

    Raises:
        ConfigError: it is none.
    """
    if compression is None or isinstance(compression, Compression):
        return compression
    names = ", ".join(f"Compression.{member.name}" for member in Compression)
    raise ConfigError(f"compression must be one of {names}, not {shown(compression)}")


def is_on(name: str, value: object) -> bool:
    """A switch of one call.

    Raises:
        ConfigError: it is neither True nor False.
    """
    if isinstance(value, bool):
        return value
    raise ConfigError(f"{name} must be True or False, not {shown(value)}")


def checked_response(response: object) -> ResponseInfo | None:
    """What is to be filled in with what comes beside the response.

    Raises:
        ConfigError: it cannot be.
    """
    if response is None or isinstance(response, ResponseInfo):
        return response
    raise ConfigError(f"response must be a ResponseInfo, not {shown(response)}")


def checked_head(head: object) -> CallHead:
    """A head that an interceptor passed on.

    Raises:
        ConfigError: it is none, or a part of it is not what it should be.
    """
    if not isinstance(head, CallHead):
        raise ConfigError(f"an interceptor has to call proceed(head) with a CallHead, not {shown(head)}")
    if not isinstance(head.metadata, Metadata):
        raise ConfigError(f"the metadata of a CallHead must be a Metadata, not {shown(head.metadata)}")
    if own_compression(head.compression) is None:
        raise ConfigError("the compression of a CallHead must be a Compression, not None")
    checked_response(head.response)
    return head
