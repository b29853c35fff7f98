"""Which transport serves which URL scheme; modules are imported at first use, so that an unused wire costs nothing."""

from __future__ import annotations

import importlib
from typing import Final, cast

from eventflux_runtime.protocol.api import Transport
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError, MissingExtraError

__all__ = ["transport_for"]

_MODULES: Final = {
    "tcp": "eventflux_runtime.carrier.tcp",
    "tcps": "eventflux_runtime.carrier.tcp",
    "unix": "eventflux_runtime.carrier.unix",
    "memory": "eventflux_runtime.carrier.memory",
    "grpc": "eventflux_runtime.grpcio",
    "grpcs": "eventflux_runtime.grpcio",
    "grpc+dns": "eventflux_runtime.grpcio",
    "grpc+xds": "eventflux_runtime.grpcio",
    "grpcs+dns": "eventflux_runtime.grpcio",
    "grpcs+xds": "eventflux_runtime.grpcio",
}
"""Each module has a `TRANSPORT`."""


def transport_for(endpoint: Endpoint) -> Transport:
    """The transport of an endpoint's scheme.

    Raises:
        MissingExtraError: the wire needs a package that is not installed.
    """
    module_name = _MODULES.get(endpoint.scheme)
    if module_name is None:
        raise ConfigError(f"no wire for {endpoint.scheme}://")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] in ("grpc", "google"):
            raise MissingExtraError(f"the {endpoint.scheme}:// wire", "grpc") from None
        raise
    return cast("Transport", module.TRANSPORT)
