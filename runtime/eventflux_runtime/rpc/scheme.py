"""The table of schemes: what stands before ``://`` in a URL, and everything that follows from it.

A row says what moves the bytes and what gives them a meaning, how the rest of the URL is read, and what has to be
installed. Endpoints, wires, the look-up of names, TLS and the texts of errors derive from it, so a new wire is a row
and the modules that it names. Packages of others add a row by an entry point of the group `ENTRY_POINTS`, which has
the scheme's name and loads its `Scheme`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["ENTRY_POINTS", "SCHEMES", "AddressForm", "Parameter", "Scheme", "plain_twin", "schemes_of"]

ENTRY_POINTS: Final = "eventflux_runtime.schemes"


class AddressForm(Enum):
    """How what follows ``://`` is read."""

    HOST = auto()
    """``host:port``; a host that is a name is looked up."""
    PATH = auto()
    """The absolute path of a Unix socket."""
    NAME = auto()
    """Any text."""
    RESOLVER = auto()
    """``/target``, for a resolver of the protocol's own; only to connect to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What a URL may say behind a ``?``, as ``name=value``."""

    name: str
    takes: str
    """What stands for the value in texts."""
    pattern: str
    """The regular expression that the whole of a value has to match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One row. Objects are named as in an entry point, ``package.module:name``, and imported at first use."""

    name: str
    """What stands before ``://``; small letters, with a ``+`` before what is no protocol."""
    form: AddressForm
    carrier: str
    """The `eventflux_runtime.carrier.api.Carrier` that moves the bytes."""
    protocol: str = ""
    """The `eventflux_runtime.protocol.api.StreamProtocol` that gives them a meaning; empty: that of `wire`."""
    layers: tuple[str, ...] = ()
    """Each `eventflux_runtime.carrier.api.PipeLayer` between them, the lowest first."""
    upgrade: str = ""
    """The `eventflux_runtime.carrier.api.UpgradeLayer` above these, which a request of HTTP/1 leads to."""
    guests: tuple[str, ...] = ()
    """Each `eventflux_runtime.protocol.api.ServingProtocol` whose peers are answered on the same port."""
    front: str = ""
    """The `eventflux_runtime.protocol.api.FrontProtocol` that answers requests of HTTP/1 on the same port, and leads
    those to `upgrade` who ask for it."""
    wire: str = ""
    """An `eventflux_runtime.protocol.api.Wire` in place of all these, for a library that moves its bytes itself."""
    is_udp: bool = False
    """Whether the port is one of UDP; one of TCP otherwise."""
    parameters: tuple[Parameter, ...] = ()
    """What a URL may say behind a ``?`` after the last address; only where `form` is HOST."""
    is_tls: bool = False
    """Whether what travels is encrypted."""
    encrypted: str = ""
    """The scheme that is this one with TLS; empty: there is none."""
    extra: str = ""
    """The extra that brings `packages`."""
    probe: str = ""
    """A function without arguments that tells what the wire stands on beside packages, as a `dict` of texts, and raises
    ConfigError where that is not installed; for reports."""
    packages: tuple[str, ...] = ()
    """Top-level packages that the modules named here import and the base install does not have."""

    @property
    def speaks_grpc(self) -> bool:
        """Whether what is spoken is gRPC, by whichever engine."""
        return self.protocol == _GRPC or self.wire == _GRPCIO

    @property
    def has_path(self) -> bool:
        """Whether a path may follow the host and port: that of the request for `upgrade`."""
        return bool(self.upgrade)


_TCP: Final = "eventflux_runtime.carrier.tcp:CARRIER"
_TLS: Final = ("eventflux_runtime.carrier.tls:LAYER",)
_UNIX: Final = "eventflux_runtime.carrier.unix:CARRIER"
_RDMA: Final = "eventflux_runtime.carrier.rdma.carrier:CARRIER"
_MEMORY: Final = "eventflux_runtime.carrier.memory:CARRIER"
_QUIC: Final = "eventflux_runtime.carrier.quic.carrier:CARRIER"
_NATIVE: Final = "eventflux_runtime.protocol.native.driver.protocol:PROTOCOL"
_GRPC: Final = "eventflux_runtime.protocol.grpc.driver.protocol:PROTOCOL"
_GRPCIO: Final = "eventflux_runtime.grpcio.wire:WIRE"
_EVENTFLUX: Final = ("eventflux_runtime.protocol.eventflux.protocol:PROTOCOL",)
_HTTP1: Final = "eventflux_runtime.protocol.http1.protocol:PROTOCOL"
_WEBSOCKET: Final = "eventflux_runtime.carrier.websocket.layer:LAYER"


def _native(name: str, form: AddressForm, carrier: str, *, layers: tuple[str, ...] = (), encrypted: str = "") -> Scheme:
    return Scheme(
        name=name,
        form=form,
        carrier=carrier,
        protocol=_NATIVE,
        layers=layers,
        guests=_EVENTFLUX,
        front=_HTTP1 if form is AddressForm.HOST else "",
        is_tls=layers == _TLS,
        encrypted=encrypted,
    )


def _websocket(name: str, *, layers: tuple[str, ...] = (), encrypted: str = "") -> Scheme:
    return Scheme(
        name=name,
        form=AddressForm.HOST,
        carrier=_TCP,
        protocol=_NATIVE,
        layers=layers,
        upgrade=_WEBSOCKET,
        front=_HTTP1,
        is_tls=layers == _TLS,
        encrypted=encrypted,
        extra="websocket",
        packages=("websockets",),
    )


def _grpc(name: str, form: AddressForm, carrier: str, *, layers: tuple[str, ...] = (), encrypted: str = "") -> Scheme:
    return Scheme(
        name=name,
        form=form,
        carrier=carrier,
        protocol=_GRPC,
        layers=layers,
        front=_HTTP1 if form is AddressForm.HOST else "",
        is_tls=layers == _TLS,
        encrypted=encrypted,
    )


def _grpcio(name: str, form: AddressForm = AddressForm.HOST, *, encrypted: str = "") -> Scheme:
    return Scheme(
        name=name,
        form=form,
        carrier=_TCP,
        wire=_GRPCIO,
        is_tls=not encrypted,
        encrypted=encrypted,
        extra="grpcio",
        packages=("grpc", "google"),
    )


def _quic(name: str) -> Scheme:
    return Scheme(
        name=name,
        form=AddressForm.HOST,
        carrier=_QUIC,
        protocol=_NATIVE,
        is_udp=True,
        is_tls=True,
        extra="quic",
        packages=("qh3",),
    )


def _rdma() -> Scheme:
    return Scheme(
        name="rdma",
        form=AddressForm.HOST,
        carrier=_RDMA,
        protocol=_NATIVE,
        parameters=(
            Parameter(name="provider", takes="the name of a provider of libfabric", pattern=r"[a-z0-9_;-]{1,64}"),
            Parameter(name="poll", takes="microseconds from 0 to 9999", pattern=r"[0-9]{1,4}"),
        ),
        probe="eventflux_runtime.carrier.rdma.provider:probe",
        extra="rdma",
        packages=("cffi",),
    )


SCHEMES: Final[dict[str, Scheme]] = {
    row.name: row
    for row in (
        _native("tcp", AddressForm.HOST, _TCP, encrypted="tcps"),
        _native("tcps", AddressForm.HOST, _TCP, layers=_TLS),
        _grpc("grpc", AddressForm.HOST, _TCP, encrypted="grpcs"),
        _grpc("grpcs", AddressForm.HOST, _TCP, layers=_TLS),
        _websocket("ws", encrypted="wss"),
        _websocket("wss", layers=_TLS),
        _quic("quic"),
        _rdma(),
        _native("unix", AddressForm.PATH, _UNIX),
        _native("memory", AddressForm.NAME, _MEMORY),
        _grpc("grpc+unix", AddressForm.PATH, _UNIX),
        _grpc("grpc+memory", AddressForm.NAME, _MEMORY),
        _grpcio("grpcio", encrypted="grpcios"),
        _grpcio("grpcios"),
        _grpcio("grpc+dns", AddressForm.RESOLVER, encrypted="grpcs+dns"),
        _grpcio("grpcs+dns", AddressForm.RESOLVER),
        _grpcio("grpc+xds", AddressForm.RESOLVER, encrypted="grpcs+xds"),
        _grpcio("grpcs+xds", AddressForm.RESOLVER),
    )
}
"""The rows of this package, by name, in the order in which errors list them."""


_found: Final[dict[str, tuple[Scheme, ...]]] = {name: (row,) for name, row in SCHEMES.items()}
"""What was asked for and is there: to look through the entry points takes milliseconds."""


def schemes_of(text: str) -> tuple[Scheme, ...]:
    """The rows that a URL's scheme names: one, or those joined by ``+``, as in ``tcp+grpc``; empty: it names none.

    Raises:
        ConfigError: a package that adds a scheme is broken.
    """
    rows = _found.get(text)
    if rows is None:
        rows = _split(text)
        if rows:
            _found[text] = rows
    return rows


def _split(text: str) -> tuple[Scheme, ...]:
    rows: list[Scheme] = []
    parts = text.split("+")
    while parts:
        # The longest first, because a name may have a plus of its own.
        for count in range(len(parts), 0, -1):
            name = "+".join(parts[:count])
            row = SCHEMES.get(name) or _foreign_row(name)
            if row is not None:
                rows.append(row)
                del parts[:count]
                break
        else:
            return ()
    return tuple(rows)


def _foreign_row(name: str) -> Scheme | None:
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow to import, and hardly ever needed

    for entry in entry_points(group=ENTRY_POINTS, name=name):
        try:
            row = entry.load()
        except Exception as error:  # whatever another's module fails with when it is imported
            raise ConfigError(f"the package that adds {name}:// cannot be loaded ({entry.value}): {error}") from error
        if not isinstance(row, Scheme) or row.name != name:
            raise ConfigError(f"{entry.value} adds {name}://, so it has to be a Scheme of that name, not {row!r}")
        return row
    return None


def plain_twin(row: Scheme) -> str:
    """The name of the scheme that is this one without TLS; its own, where there is none."""
    return next((other.name for other in SCHEMES.values() if other.encrypted == row.name), row.name)
