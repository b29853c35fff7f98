"""From what the command line says about types to the schema."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eventflux_node.schema.api import Schema
from eventflux_node.schema.packaged import PackagedSchema
from eventflux_runtime import CallOptions, Channel, MissingExtraError

__all__ = ["SchemaChoice", "open_schema"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaChoice:
    """Which source of types is asked for; none: the server's reflection."""

    protos: tuple[Path, ...] = ()
    include: tuple[Path, ...] = ()
    descriptor_sets: tuple[Path, ...] = ()
    package: str | None = None

    @property
    def needs_server(self) -> bool:
        """Whether the server is asked for its types."""
        return not self.protos and not self.descriptor_sets and self.package is None


def open_schema(choice: SchemaChoice, channel: Channel | None, options: CallOptions | None = None) -> Schema:
    """The schema that is asked for.

    Args:
        choice: which.
        channel: to the server; needed where its reflection is asked.
        options: what each question to the server is told.

    Raises:
        MissingExtraError: protobuf or grpcio-tools is not installed.
        SchemaError: the source cannot be read.
    """
    if choice.package is not None:
        return PackagedSchema(choice.package)
    try:
        from eventflux_node.schema import filed, reflected  # noqa: PLC0415 - need protobuf
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "google":
            raise
        raise MissingExtraError("calling a server by its own description", "protobuf") from error
    if choice.protos:
        return filed.compile_protos(choice.protos, choice.include)
    if choice.descriptor_sets:
        return filed.read_descriptor_sets(choice.descriptor_sets)
    assert channel is not None, "reflection needs a channel"
    return reflected.ReflectedSchema(channel, options if options is not None else CallOptions())
