"""The ``grpc://`` wire: HTTP/2 as grpcio speaks it. Imported at first use, because it imports grpc."""

from __future__ import annotations

from eventflux_runtime.grpcio.transport import GrpcTransport

__all__ = ["TRANSPORT", "GrpcTransport"]

TRANSPORT = GrpcTransport()
