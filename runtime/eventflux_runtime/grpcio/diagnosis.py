"""Why a connection did not come about, in words that say what to do; grpcio's own text where none fit better.

The texts looked for are those of grpcio's core and of BoringSSL inside it.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from eventflux_runtime.grpcio.credential import ALPN
from eventflux_runtime.net.tls import client_context, expected_name, explain_refusal
from eventflux_runtime.rpc.config import ClientConfig
from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["explain"]

_PROBE_S: Final = 1.0
"""Seconds that asking the server a second time may take, after it closed the first connection without a word."""

_KNOWN: Final = (
    ("Connection refused", "nothing listens there: start the server or correct the address"),
    ("errors resolving", "the name does not resolve: correct it, or the resolver's configuration"),
    ("DNS resolution failed", "the name does not resolve: correct it, or the resolver's configuration"),
    ("Domain name not found", "the name does not resolve: correct it, or the resolver's configuration"),
    ("WRONG_VERSION_NUMBER", "the server speaks no TLS there: use {plain}://, or start the server with TLS"),
    ("certificate has expired", "the server's certificate has expired: renew it"),
    ("certificate is not yet valid", "the server's certificate is not valid yet: check both clocks"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        (
            "the server's certificate comes from an unknown authority, or an intermediate certificate is missing: let "
            "TlsConfig.ca_file hold the authority that signed it, and the server's cert_file its whole chain"
        ),
    ),
    (
        "Hostname Verification Check failed",
        "the server's certificate is for another name: connect by a name in it or set TlsConfig.server_name",
    ),
    ("http1.x server", "the server speaks HTTP/1 there, not gRPC: correct the port"),
    ("Failed parsing HTTP/2", "the server speaks something other than gRPC there: correct the scheme or the port"),
    (
        "before receiving SETTINGS frame",
        "the server accepted the connection and did not say a word of HTTP/2: is it a gRPC server without TLS?",
    ),
    ("Handshake read failed", "the server accepted the connection and did not answer the TLS handshake: is TLS on?"),
    ("tcp handshaker shutdown", "the server did not answer: check the address and any firewall between"),
    ("No route to host", "the network has no way there: check the address and the routes"),
    ("Network is unreachable", "the network has no way there: check the address and the routes"),
)
_ALERTS: Final = (
    ("CERTIFICATE_REQUIRED", "the server requires a client certificate: set TlsConfig.cert_file and key_file"),
    ("HANDSHAKE_FAILURE", "the server refused the TLS handshake: it may require a client certificate"),
    ("UNKNOWN_CA", "the server does not know the authority that signed our certificate"),
    ("BAD_CERTIFICATE", "the server refused our certificate"),
    ("CERTIFICATE_UNKNOWN", "the server refused our certificate"),
    ("CERTIFICATE_EXPIRED", "our own certificate has expired: renew it"),
)


async def explain(endpoint: Endpoint, config: ClientConfig, text: str | None) -> str:
    """What happened and what to do, from grpcio's account of it; None where grpcio gave none in time."""
    if text is None:
        limit_s = config.connect_timeout_s
        return f"no answer within {limit_s} s: check the address, or raise ClientConfig.connect_timeout_s"
    plain = endpoint.plain_scheme
    for part, advice in _KNOWN:
        if part in text:
            return advice.format(plain=plain)
    last = text.rpartition("last error: ")[2]
    if endpoint.host and ("Socket closed" in text or "reset by peer" in text or "closed" in text.lower()):
        found = await _ask_again(endpoint, config)
        if found is not None:
            return found
        return f"the server closed the connection before it said a word of HTTP/2 ({last}): is it a gRPC server?"
    return last


async def _ask_again(endpoint: Endpoint, config: ClientConfig) -> str | None:
    """A handshake with Python's TLS, which tells the alert that grpcio keeps to itself."""
    try:
        async with asyncio.timeout(min(_PROBE_S, config.connect_timeout_s)):
            return await (_client_alert(endpoint, config) if endpoint.is_tls else _wants_tls(endpoint))
    except (OSError, asyncio.IncompleteReadError):  # TimeoutError is an OSError
        return None


async def _wants_tls(endpoint: Endpoint) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent or believed; the question is only whether TLS answers
    context.set_alpn_protocols([ALPN])
    advice = "the server speaks TLS there: use grpcs://"
    try:
        _, writer = await asyncio.open_connection(endpoint.host, endpoint.port, ssl=context)
    except ssl.SSLError as error:
        return advice if "ALERT" in (error.reason or "") else None
    writer.transport.abort()
    return advice


async def _client_alert(endpoint: Endpoint, config: ClientConfig) -> str | None:
    context = client_context(config.tls, (ALPN,))
    try:
        reader, writer = await asyncio.open_connection(
            endpoint.host, endpoint.port, ssl=context, server_hostname=expected_name(config.tls, endpoint)
        )
        try:
            # In TLS 1.3 the server judges our certificate after our half of the handshake is done. A grpcio server says
            # nothing of its verdict: it closes where one that is content would send its SETTINGS.
            if not await reader.read(1):
                return explain_refusal(config.tls)
        except ConnectionResetError:
            return explain_refusal(config.tls)
        finally:
            writer.transport.abort()
    except ssl.SSLError as error:
        reason = error.reason or ""
        return next((advice for part, advice in _ALERTS if part in reason), None)
    return None
