"""Which transport serves which URL scheme; modules are imported at first use, so that an unused wire costs nothing."""

from __future__ import annotations

import importlib
from typing import Final, cast

from eventflux_runtime.endpoint import Endpoint
from eventflux_runtime.errors import ConfigError, MissingExtraError
from eventflux_runtime.transport_api import Transport

__all__ = ["transport_for"]

_MODULES: Final = {
    "tcp": "eventflux_runtime.transports.tcp",
    "tcps": "eventflux_runtime.transports.tcp",
    "unix": "eventflux_runtime.transports.unix",
    "memory": "eventflux_runtime.transports.memory",
    "grpc": "eventflux_runtime.transports.grpc_wire",
    "grpcs": "eventflux_runtime.transports.grpc_wire",
    "grpc+dns": "eventflux_runtime.transports.grpc_wire",
    "grpc+xds": "eventflux_runtime.transports.grpc_wire",
    "grpcs+dns": "eventflux_runtime.transports.grpc_wire",
    "grpcs+xds": "eventflux_runtime.transports.grpc_wire",
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
