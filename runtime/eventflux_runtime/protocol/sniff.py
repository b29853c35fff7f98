"""Tells from the first bytes of a connection which protocol the peer speaks."""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["NATIVE_PREFACE", "SNIFF_BYTES", "Sniff", "describe_peer", "sniff"]

NATIVE_PREFACE: Final = b"EFT1"
"""The first bytes of the native protocol. As a big-endian length they are beyond any legal EventFlux frame."""
SNIFF_BYTES: Final = 4
EVENTFLUX_MAX_FRAME_BYTES: Final = 10 * 1024 * 1024
"""EventFlux's own limit of a frame; its frames start with a big-endian u32 length."""
SETTINGS_FRAME_BYTES: Final = 9


class Sniff(Enum):
    """A protocol, as its first four bytes show it."""

    NATIVE = "native"
    EVENTFLUX = "eventflux"
    TLS_CLIENT_HELLO = "tls"
    HTTP2 = "http2"
    HTTP1 = "http1"
    UNKNOWN = "unknown"
    NEED_MORE = "need more"


_HTTP1: Final = frozenset({b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC", b"HTTP"})


def sniff(prefix: bytes) -> Sniff:
    """The protocol of a peer by the first bytes it sent; NEED_MORE until there are four."""
    if len(prefix) < SNIFF_BYTES:
        return Sniff.NEED_MORE
    first = prefix[:SNIFF_BYTES]
    if first == NATIVE_PREFACE:
        return Sniff.NATIVE
    if first == b"PRI ":
        return Sniff.HTTP2
    if first in _HTTP1:
        return Sniff.HTTP1
    if first[0] == 0x16 and first[1] == 0x03:
        return Sniff.TLS_CLIENT_HELLO
    if int.from_bytes(first, "big") <= EVENTFLUX_MAX_FRAME_BYTES:
        return Sniff.EVENTFLUX
    return Sniff.UNKNOWN


def describe_peer(prefix: bytes, spoken: str = "tcp") -> str:
    """What the peer seems to speak and what to do about it, for an error message.

    Args:
        prefix: what it sent first, as much as is known.
        spoken: the scheme of what is spoken here.
    """
    if len(prefix) >= SETTINGS_FRAME_BYTES and prefix[3:9] == b"\x04\x00\x00\x00\x00\x00":
        return "it speaks HTTP/2: use a grpc:// URL if it is a gRPC server"
    if prefix[:1] == b"\x15" and prefix[1:2] == b"\x03":
        return f"it expects TLS: use a {spoken}s:// URL"
    match sniff(prefix):
        case Sniff.NATIVE if spoken != "tcp":
            return "it speaks the native protocol: use a tcp:// URL"
        case Sniff.TLS_CLIENT_HELLO:
            return f"it speaks TLS: use a {spoken}s:// URL on both sides"
        case Sniff.HTTP2:
            return "it speaks HTTP/2: use a grpc:// URL if it is a gRPC client"
        case Sniff.HTTP1:
            return (
                "it answers in HTTP/1: use a ws:// URL if it takes WebSockets, and check that it is no web server"
                if prefix[:4] == b"HTTP"
                else "it speaks HTTP/1, which is answered on ports alone that have a host"
            )
        case Sniff.UNKNOWN if prefix[0] == 0:
            return (
                f"if it is an EventFlux peer, it announced a frame of {int.from_bytes(prefix[:4], 'big')} bytes, "
                f"the limit is {EVENTFLUX_MAX_FRAME_BYTES}: it has to send less at a time"
            )
        case Sniff.EVENTFLUX:
            return "it may be an EventFlux peer, whose frames only a message-passing transport reads"
        case _:
            return f"it sent {prefix[:16]!r}: check that the address is that of an eventflux service"
