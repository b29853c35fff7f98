"""TLS contexts from `TlsConfig`, and what a finished handshake says of the peer."""

from __future__ import annotations

import ssl
import warnings
from typing import Any

from eventflux_runtime.config import TlsConfig
from eventflux_runtime.errors import ConfigError
from eventflux_runtime.transport_api import PeerIdentity

__all__ = ["client_context", "peer_identity", "server_context"]

ALPN = "eft/1"
"""What native peers negotiate, so that a TLS port that speaks something else is told apart in the handshake."""


def client_context(config: TlsConfig | None) -> ssl.SSLContext:
    """The context of a connecting side.

    Raises:
        ConfigError: a file cannot be read or is not what it should be.
    """
    tls = config if config is not None else TlsConfig()
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([ALPN])
    if tls.ca_file is not None:
        # Only the given authorities count: those of the system are dropped.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols([ALPN])
        _load_authorities(context, tls.ca_file)
    if tls.insecure_skip_verify:
        warnings.warn(
            "insecure_skip_verify accepts any certificate: anyone on the path can read and change the traffic",
            RuntimeWarning,
            stacklevel=3,
        )
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load_own(context, tls)
    return context


def server_context(config: TlsConfig | None) -> ssl.SSLContext:
    """The context of a listening side.

    Raises:
        ConfigError: no certificate is configured, or a file cannot be read or is not what it should be.
    """
    if config is None or config.cert_file is None:
        raise ConfigError("a TLS endpoint needs ServerConfig(tls=TlsConfig(cert_file=..., key_file=...))")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([ALPN])
    _load_own(context, config)
    if config.ca_file is not None:
        _load_authorities(context, config.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED if config.require_client_cert else ssl.CERT_OPTIONAL
    return context


def _load_own(context: ssl.SSLContext, tls: TlsConfig) -> None:
    if tls.cert_file is None:
        return
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"cert_file {tls.cert_file!r} with key_file {tls.key_file!r} cannot be used: {error}"
        ) from None


def _load_authorities(context: ssl.SSLContext, ca_file: str) -> None:
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca_file {ca_file!r} cannot be used: {error}") from None


def peer_identity(certificate: dict[str, Any] | None) -> PeerIdentity | None:
    """The identity in a verified certificate, in the form of `ssl.SSLSocket.getpeercert`; None without one."""
    if not certificate:
        return None
    subject = next((value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"), "")
    return PeerIdentity(subject, tuple(value for _, value in certificate.get("subjectAltName", ())))
