"""The application's metadata in header fields ("Custom-Metadata" in gRPC's PROTOCOL-HTTP2.md)."""

from __future__ import annotations

from eventflux_runtime.protocol.grpc.http2.binary_value import decode_binary
from eventflux_runtime.protocol.grpc.http2.field import CUSTOM, CUSTOM_BINARY, Field
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata, MetadataValue

__all__ = ["metadata_of"]


def metadata_of(fields: list[Field]) -> tuple[Metadata, str]:
    """The application's part of a block, in order, and the last ``-bin`` key whose value is no Base64, or "".

    Such a value is left out, because there are no bytes to show; so is a key that is valid in HTTP and not in gRPC.
    Text beyond printable ASCII is kept, as grpcio keeps it: as UTF-8 if it is that, otherwise a character for each
    byte. Spaces and tabs at its ends are not.
    """
    pairs: list[tuple[str, MetadataValue]] = []
    broken = ""
    for field in fields:
        kind = field.kind
        if kind == CUSTOM:
            pairs.append((field.name.decode("ascii"), _text(field.value)))
        elif kind == CUSTOM_BINARY:
            key = field.name.decode("ascii")
            values = decode_binary(field.value)
            if values is None:
                broken = key
            else:
                pairs.extend([(key, value) for value in values])
    return (Metadata.from_trusted(tuple(pairs)) if pairs else EMPTY_METADATA), broken


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8").strip(" \t")
    except UnicodeDecodeError:
        return value.decode("latin-1").strip(" \t")
