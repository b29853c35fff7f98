"""The ``grpc://`` wire: HTTP/2 as grpcio speaks it. Imported at first use, because it imports grpc."""

from __future__ import annotations

from typing import Final

from eventflux_runtime.grpcio.wire import GrpcWire

__all__ = ["WIRE", "GrpcWire"]

WIRE: Final = GrpcWire()
