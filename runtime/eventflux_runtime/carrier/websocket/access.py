"""Who may open a WebSocket, and who that is: origins of pages, and clients behind proxies."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from eventflux_runtime.rpc.peer import Peer
from eventflux_runtime.rpc.web import SAME_ORIGIN, WebConfig

__all__ = ["Access"]

_PORTS: Final = {"http": "80", "https": "443"}
_WITH_PORT: Final = re.compile(r"\[([^\]]+)\](?::\d+)?|([^:]+):\d+")


class Access:
    """What a `WebConfig` says of those who connect."""

    def __init__(self, web: WebConfig) -> None:
        self._origins = frozenset(web.origins)
        self._proxies = tuple(map(ipaddress.ip_network, web.trusted_proxies))

    def takes_origin(self, origin: str, host: str) -> bool:
        """Whether a page of that origin may connect, given the request's ``Host``."""
        if origin in self._origins and origin != SAME_ORIGIN:
            return True
        return SAME_ORIGIN in self._origins and _is_same(origin, host)

    def refused_origin(self, origin: str) -> str:
        """Why a page may not."""
        if self._origins:
            return f"pages of the origin {origin} may not connect: it is not among WebConfig.origins"
        return f"pages may not connect here, this one is of {origin}: ServerConfig.web has no origins"

    def forwarded(self, peer: Peer, hops: Sequence[str]) -> Peer:
        """The client, given whoever is connected, and the hops of ``X-Forwarded-For`` from the client on."""
        scheme, _, rest = peer.address.partition("://")
        address = _address_of(urlsplit(f"//{rest}").hostname or "")
        client = None
        for hop in reversed(hops):
            if address is None or not self._is_proxy(address):
                break
            address = client = _address_of(hop)
        if client is None:
            return peer
        host = f"[{client}]" if client.version == 6 else str(client)
        return msgspec.structs.replace(peer, address=f"{scheme}://{host}")

    def _is_proxy(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return any(address in network for network in self._proxies)


def _is_same(origin: str, host: str) -> bool:
    """Whether an origin is the host and port of a request."""
    scheme, separator, place = origin.lower().partition("://")
    suffix = f":{_PORTS.get(scheme, '')}"
    return bool(separator and host) and place.removesuffix(suffix) == host.lower().removesuffix(suffix)


def _address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, with or without a port; None: it is none."""
    text = text.strip()
    with_port = _WITH_PORT.fullmatch(text)
    if with_port is not None:
        text = with_port[1] or with_port[2]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped if mapped is not None else address
