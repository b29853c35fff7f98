"""URLs: where a channel connects and a server listens, and which wire it speaks there."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.host import certificate_name, is_address, parse_host
from eventflux_runtime.rpc.scheme import SCHEMES, AddressForm, Scheme, plain_twin, schemes_of

__all__ = ["ANY_HOST", "Endpoint", "parse_endpoint", "parse_target"]

ANY_HOST: Final = "*"
"""Stands for every address of the machine, of both families. Only to listen on."""

_PORT: Final = re.compile(r"[0-9]{1,5}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_NOT_IN_PATH: Final = re.compile(r"[^!-~]|[?#]")
LONGEST_PATH: Final = 107 if sys.platform == "linux" else 103
"""Bytes of a Unix socket's path at most: the system's room for one, less the zero at its end (unix(7))."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One parsed URL.

    ``host`` and ``port`` are set where the scheme takes a host; ``path`` holds a Unix socket's path, a memory
    endpoint's name, what a resolver of the protocol's own is handed (``dns:///host:port``), or the path of a WebSocket.
    """

    scheme: str
    """As in `eventflux_runtime.rpc.scheme`; several joined by ``+`` share the address."""
    host: str = ""
    port: int = 0
    path: str = ""
    name: str = ""
    """The host name that led to `host`, by which a server there is known; empty: `host` is as it was asked for."""
    parameters: tuple[tuple[str, str], ...] = ()
    """What the URL says behind its ``?``, each a name and a value, in its order."""

    @property
    def rows(self) -> tuple[Scheme, ...]:
        """What the table says of the scheme, or of each that is joined in it."""
        return schemes_of(self.scheme)

    @property
    def form(self) -> AddressForm:
        """How the address is written."""
        return self.rows[0].form

    @property
    def is_udp(self) -> bool:
        """Whether the port is one of UDP."""
        return self.rows[0].is_udp

    @property
    def is_tls(self) -> bool:
        """Whether the scheme asks for TLS."""
        return self.rows[0].is_tls

    @property
    def is_resolved_by_protocol(self) -> bool:
        """Whether the target goes to a resolver and a balancer of the protocol's own."""
        return self.form is AddressForm.RESOLVER

    @property
    def plain_scheme(self) -> str:
        """The scheme that is the same without TLS."""
        return plain_twin(self.rows[0])

    @property
    def address(self) -> str:
        """``host:port`` with IPv6 in brackets, or the path."""
        if self.form is AddressForm.HOST:
            return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        return self.path

    @property
    def authority(self) -> str:
        """What a server there is called in requests: the host as it was asked for, and the port (RFC 3986, 3.2)."""
        if self.form is not AddressForm.HOST:
            return "localhost"
        return f"{self.name}:{self.port}" if self.name else self.address

    @property
    def is_name(self) -> bool:
        """Whether the host is a name, which stands for any number of addresses."""
        return self.form is AddressForm.HOST and not is_address(self.host)

    @property
    def certificate_name(self) -> str:
        """What the certificate of a server there calls it."""
        return certificate_name(self.name or self.host)

    def parameter(self, name: str) -> str:
        """What the URL says for one of the scheme's parameters; empty: nothing."""
        return dict(self.parameters).get(name, "")

    def with_port(self, port: int) -> Endpoint:
        """The same endpoint at another port, such as the one the system chose for port 0."""
        return replace(self, port=port)

    def __str__(self) -> str:
        if self.form is AddressForm.RESOLVER:
            return f"{self.scheme}:{self.path.split(':', 1)[1]}"
        path = self.path if self.form is AddressForm.HOST and self.path != "/" else ""
        query = "&".join(f"{name}={value}" for name, value in self.parameters)
        return f"{self.scheme}://{self.address}{path}{query and f'?{query}'}"


def parse_endpoint(url: str) -> Endpoint:
    """The endpoint that a URL with exactly one address names.

    Raises:
        ConfigError: the scheme is unknown, or the rest does not fit it.
    """
    endpoints = _parse_all(url)
    if len(endpoints) != 1:
        raise ConfigError(f"{url!r} names {len(endpoints)} addresses where one is wanted: give each its own URL")
    return endpoints[0]


def parse_target(target: str | Iterable[str]) -> tuple[Endpoint, ...]:
    """Every endpoint to connect to, of a URL with a comma-separated host list or of several URLs.

    Raises:
        ConfigError: a URL is wrong or only to listen on, none was given, or they mix schemes.
    """
    endpoints = _parse_all(target)
    for endpoint in endpoints:
        if endpoint.host == ANY_HOST:
            raise ConfigError(f"{str(endpoint)!r} is to listen on: name the host to connect to")
        if len(endpoint.rows) > 1:
            names = " or ".join(f"{row.name}://" for row in endpoint.rows)
            raise ConfigError(f"{str(endpoint)!r} is to listen on: connect with {names}")
    return endpoints


def _parse_all(target: str | Iterable[str]) -> tuple[Endpoint, ...]:
    urls = [target] if isinstance(target, str) else list(target)
    endpoints = tuple(endpoint for url in urls for endpoint in _parse_url(url))
    if not endpoints:
        raise ConfigError("no address given: pass a URL such as tcp://127.0.0.1:7070")
    schemes = sorted({endpoint.scheme for endpoint in endpoints})
    if len(schemes) > 1:
        raise ConfigError(f"one channel speaks one wire, not {' and '.join(schemes)}: make a channel for each")
    return endpoints


def _parse_url(url: str) -> list[Endpoint]:
    if not isinstance(url, str):
        raise ConfigError(f"an address is a URL such as tcp://127.0.0.1:7070, not {url!r}")
    scheme, separator, rest = url.partition(":")
    scheme = scheme.lower()  # its letters may be small or capital (RFC 3986, 3.1)
    rows = schemes_of(scheme) if separator else ()
    if not rows:
        raise ConfigError(_unknown_scheme(url, scheme if separator else ""))
    if len(rows) > 1:
        _check_joined(url, rows)
    if wrong := _CONTROL.search(rest):
        raise ConfigError(f"{url!r}: an address has no control characters, and here is {wrong[0]!r}")
    if not rest.startswith("//"):
        raise ConfigError(f"{url!r}: after the scheme come two slashes, as in {scheme}://...")
    rest = rest[2:]
    match rows[0].form:
        case AddressForm.RESOLVER:
            return [_resolver_endpoint(url, scheme, rest)]
        case AddressForm.PATH | AddressForm.NAME as form:
            return [_path_endpoint(url, scheme, rest, is_file=form is AddressForm.PATH)]
        case AddressForm.HOST:
            rest, parameters = _split_parameters(url, rows, rest)
            hosts, path = _split_path(url, rows, rest)
            return [
                replace(_host_endpoint(url, scheme, part, path), parameters=parameters) for part in hosts.split(",")
            ]


def _split_parameters(url: str, rows: tuple[Scheme, ...], rest: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What stands before the ``?``, and the parameters behind it. Only a scheme that has some is asked for them."""
    known = {parameter.name: parameter for row in rows for parameter in row.parameters}
    if not known:
        return rest, ()
    rest, mark, query = rest.partition("?")
    said: dict[str, str] = {}
    names = " and ".join(f"{parameter.name}={parameter.takes}" for parameter in known.values())
    for part in query.split("&") if mark else ():
        name, separator, value = part.partition("=")
        parameter = known.get(name)
        if parameter is None or not separator:
            raise ConfigError(f"{url!r}: behind the ? may stand {names}, not {part!r}")
        if name in said:
            raise ConfigError(f"{url!r} says {name} twice: once is enough")
        if not re.fullmatch(parameter.pattern, value):
            raise ConfigError(f"{url!r}: {name} is {parameter.takes}, not {value!r}")
        said[name] = value
    return rest, tuple(said.items())


def _split_path(url: str, rows: tuple[Scheme, ...], rest: str) -> tuple[str, str]:
    """The hosts and ports, and the path behind them; empty: none of the schemes has one."""
    hosts, slash, path = rest.partition("/")
    if "]" in path:  # the slash is within an address
        return rest, ""
    if not any(row.has_path for row in rows):
        if path:
            names = " and ".join(f"{row.name}://" for row in SCHEMES.values() if row.has_path)
            raise ConfigError(f"{url!r}: only {names} take a path behind the port, drop {slash}{path}")
        return hosts, ""
    if wrong := _NOT_IN_PATH.search(path):
        raise ConfigError(f"{url!r}: a path has printable ASCII without ? and #, and here is {wrong[0]!r}")
    if "," in path:
        raise ConfigError(f"{url!r}: the path stands once, behind the last address, and has no comma")
    return hosts, f"/{path}"


def _check_joined(url: str, rows: tuple[Scheme, ...]) -> None:
    """Checks that one port can be of all these schemes: the same carrier moves them, and all or none are encrypted."""
    first = rows[0]
    for position, row in enumerate(rows):
        if row.form is AddressForm.RESOLVER:
            raise ConfigError(f"{url!r}: {row.name}:// is only to connect to, and has no port to share")
        if row in rows[:position]:
            raise ConfigError(f"{url!r} names {row.name} twice: once is enough")
        if row.is_tls is not first.is_tls:
            raise ConfigError(f"{url!r}: {first.name} and {row.name} cannot share a port, one of them is encrypted")
        if (row.carrier, row.form, row.layers) != (first.carrier, first.form, first.layers):
            raise ConfigError(f"{url!r}: {first.name} and {row.name} cannot share an address: give each its own URL")


def _resolver_endpoint(url: str, scheme: str, rest: str) -> Endpoint:
    if len(rest.rpartition("/")[2]) == 0 or "/" not in rest:
        raise ConfigError(f"{url!r} names nothing to resolve: write {scheme}:///host:port")
    return Endpoint(scheme, path=f"{scheme.partition('+')[2]}://{rest}")


def _path_endpoint(url: str, scheme: str, rest: str, *, is_file: bool) -> Endpoint:
    if not rest:
        raise ConfigError(f"{url!r} names nothing: write {scheme}://name")
    if is_file:
        _check_socket_path(url, rest)
    return Endpoint(scheme, path=rest)


def _check_socket_path(url: str, path: str) -> None:
    if path.startswith("@"):
        raise ConfigError(f"{url!r}: a Unix socket has a path in the file system here, not an abstract name")
    if not path.startswith("/"):
        raise ConfigError(f"{url!r}: a Unix socket takes an absolute path, as in unix:///tmp/node.sock")
    try:
        size = len(os.fsencode(path))
    except UnicodeEncodeError:
        raise ConfigError(f"{url!r}: the path has characters that no file name has here") from None
    if size > LONGEST_PATH:
        raise ConfigError(
            f"{url!r}: the path of a Unix socket has {LONGEST_PATH} bytes at most, this one has {size}; "
            "choose a shorter one"
        )


def _host_endpoint(url: str, scheme: str, part: str, path: str) -> Endpoint:
    is_bracketed = part.startswith("[")
    if is_bracketed:
        host, closed, tail = part[1:].partition("]")
        port = tail.removeprefix(":") if closed and tail.startswith(":") else ""
    else:
        host, _, port = part.rpartition(":")
        if ":" in host:
            raise ConfigError(f"{url!r}: put an IPv6 address in brackets, as in {scheme}://[::1]:7070")
    if not host or not port:
        raise ConfigError(f"{url!r}: {part!r} is not host:port, as in {scheme}://127.0.0.1:7070")
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise ConfigError(f"{url!r}: the port must be a number from 0 to 65535, not {port!r}")
    if is_bracketed and ":" not in host:
        raise ConfigError(f"{url!r}: only an IPv6 address stands in brackets, not {host!r}")
    try:
        return Endpoint(scheme, host if host == ANY_HOST else parse_host(host), int(port), path)
    except ConfigError as error:
        raise ConfigError(f"{url!r}: {error}") from None


def _unknown_scheme(url: str, scheme: str) -> str:
    known = ", ".join(row.name for row in SCHEMES.values() if row.form is not AddressForm.RESOLVER)
    if not scheme:
        return f"{url!r} has no scheme: start it with one of {known}, as in tcp://127.0.0.1:7070"
    near = difflib.get_close_matches(scheme, SCHEMES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"use one of {known}"
    return f"{url!r}: unknown scheme {scheme!r}; {hint}"
