"""From `TlsConfig` to what qh3 shakes hands with, and from how it fails to the errors that TLS over TCP raises."""

from __future__ import annotations

import hmac
import os
import re
import ssl
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from qh3.quic.configuration import QuicConfiguration
from qh3.quic.packet import QuicErrorCode

from eventflux_runtime.carrier.quic.tickets import ClientTickets, ServerTickets
from eventflux_runtime.net.tls import TlsSource, client_context, server_context
from eventflux_runtime.rpc.config import KeepaliveConfig, TlsConfig
from eventflux_runtime.rpc.errors import ConfigError

if TYPE_CHECKING:
    from qh3.quic.connection import QuicConnection
    from qh3.quic.events import ConnectionTerminated
    from qh3.tls import SessionTicket

__all__ = [
    "DATAGRAM_BYTES",
    "Credentials",
    "client_configuration",
    "client_credentials",
    "handshake_error",
    "server_configuration",
    "server_credentials",
]

DATAGRAM_BYTES: Final = 1232
"""Of a datagram before anything is known of the path: what IPv6 carries everywhere (RFC 8200, 5), less its headers."""
MAX_STREAM_BYTES: Final = 4 * 1024 * 1024
"""Bytes of one stream on their way, and so held while one that was lost is sent again."""
MAX_DATA_BYTES: Final = 8 * 1024 * 1024
"""The same of all streams of a connection."""
_IDLE_SLACK_S: Final = 5.0
"""Seconds beyond the keepalive's: the protocol inside finds a silent peer first, and says so."""
_KEPT_SOURCES: Final = 64
_PEM_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_PEM_KEY: Final = re.compile(r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.+?-----END \1PRIVATE KEY-----", re.DOTALL)


class Credentials:
    """What the files of a `TlsConfig` hold, in the form that qh3 reads, and the tickets of those who trusted them.

    So a ticket serves nobody with another configuration, and is forgotten when a file changes.
    """

    def __init__(self, tls: TlsConfig, *, authorities: bytes | None) -> None:
        """Reads them.

        Args:
            tls: names the files, which the standard library has found to be good.
            authorities: certificates in PEM; None: any certificate is accepted.

        Raises:
            ConfigError: qh3 cannot use them.
        """
        self.authorities = authorities
        self.secret = b""
        """The same for all who serve with one private key, and known to nobody else; empty without one."""
        self.client_tickets = ClientTickets()
        self.server_tickets = ServerTickets()
        self.own = QuicConfiguration()
        if tls.cert_file is None or tls.key_file is None:
            return
        try:
            chain = _PEM_CERTIFICATE.findall(_read(tls.cert_file))
            key = _PEM_KEY.search(_read(tls.key_file))
            own_key = _joined([key[0] if key is not None else ""])
            self.own.load_cert_chain(_joined(chain), own_key)
            self.secret = hmac.digest(own_key, b"eventflux quic address validation", "sha256")
        except Exception as error:  # noqa: BLE001 - whatever the library raises of what it cannot read
            raise ConfigError(
                f"cert_file {tls.cert_file!r} with key_file {tls.key_file!r} cannot be used for QUIC: "
                f"{str(error) or type(error).__name__}; a key of RSA or of an elliptic curve can"
            ) from None

    def lend_to(self, configuration: QuicConfiguration) -> QuicConfiguration:
        """The same configuration, with our own certificate."""
        configuration.certificate = self.own.certificate
        configuration.certificate_chain = self.own.certificate_chain
        configuration.private_key = self.own.private_key
        return configuration


def _read(path: str | bytes | os.PathLike[Any]) -> str:
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def _joined(parts: list[str]) -> bytes:
    return "".join(f"{part}\n" for part in parts).replace("\r\n", "\n").encode("ascii", "replace")


# -- a client's


@lru_cache(maxsize=_KEPT_SOURCES)
def client_credentials(tls: TlsConfig, protocols: tuple[str, ...]) -> TlsSource[Credentials]:
    """What a client shakes hands with; kept for the next connection with an equal configuration.

    Raises:
        ConfigError: a file cannot be read or is not what it should be.
    """
    return TlsSource(tls, protocols, _client_credentials)


def _client_credentials(tls: TlsConfig, protocols: tuple[str, ...]) -> Credentials:
    context = client_context(TlsConfig(ca_file=tls.ca_file, cert_file=tls.cert_file, key_file=tls.key_file), protocols)
    if tls.insecure_skip_verify:
        return Credentials(tls, authorities=None)
    if tls.ca_file is not None:
        return Credentials(tls, authorities=_joined(_PEM_CERTIFICATE.findall(_read(tls.ca_file))))
    return Credentials(
        tls, authorities=_joined([ssl.DER_cert_to_PEM_cert(der) for der in context.get_ca_certs(binary_form=True)])
    )


def client_configuration(
    credentials: Credentials,
    protocols: tuple[str, ...],
    server_name: str,
    keepalive: KeepaliveConfig | None,
    ticket: SessionTicket | None = None,
) -> QuicConfiguration:
    """For one connection of a client, which resumes what the ticket is from."""
    configuration = QuicConfiguration(
        is_client=True,
        alpn_protocols=list(protocols),
        server_name=server_name,
        session_ticket=ticket,
        cadata=credentials.authorities,
        verify_mode=ssl.CERT_NONE if credentials.authorities is None else ssl.CERT_REQUIRED,
        **_limits(keepalive),
    )
    return credentials.lend_to(configuration)


# -- a server's


def server_credentials(tls: TlsConfig | None, protocols: tuple[str, ...]) -> TlsSource[Credentials]:
    """What a server shakes hands with.

    Raises:
        ConfigError: no certificate is configured, a file cannot be read or is not what it should be, or client
            certificates are asked for.
    """
    if tls is not None and tls.ca_file is not None:
        raise ConfigError(
            "a quic:// server cannot ask for client certificates, because the library that speaks QUIC does not: leave "
            "out ca_file and require_client_cert, and tell clients apart by a token in the metadata, or serve tcps://"
        )
    return TlsSource(tls if tls is not None else TlsConfig(), protocols, _server_credentials)


def _server_credentials(tls: TlsConfig, protocols: tuple[str, ...]) -> Credentials:
    server_context(tls, protocols)  # says what is wrong with a file as it does on every wire
    return Credentials(tls, authorities=None)


def server_configuration(
    credentials: Credentials, protocols: tuple[str, ...], keepalive: KeepaliveConfig | None
) -> QuicConfiguration:
    """For the connections of a server that begin now."""
    return credentials.lend_to(QuicConfiguration(is_client=False, alpn_protocols=list(protocols), **_limits(keepalive)))


def _limits(keepalive: KeepaliveConfig | None) -> dict[str, Any]:
    return {
        "max_data": MAX_DATA_BYTES,
        "max_stream_data": MAX_STREAM_BYTES,
        "max_datagram_size": DATAGRAM_BYTES,
        # 0: none, as TCP has none. Otherwise the keepalive of the protocol inside is what ends a silent connection.
        "idle_timeout": 0.0 if keepalive is None else keepalive.interval_s + keepalive.timeout_s + _IDLE_SLACK_S,
    }


# -- how it fails

_ALERT: Final = int(QuicErrorCode.CRYPTO_ERROR)
_HANDSHAKE_FAILURE: Final = 40
_BAD_CERTIFICATE: Final = 42
_NO_APPLICATION_PROTOCOL: Final = 120
_ALERTS: Final = {
    _BAD_CERTIFICATE: "ALERT_BAD_CERTIFICATE",
    43: "ALERT_UNSUPPORTED_CERTIFICATE",
    44: "ALERT_CERTIFICATE_REVOKED",
    45: "ALERT_CERTIFICATE_EXPIRED",
    46: "ALERT_CERTIFICATE_UNKNOWN",
    48: "ALERT_UNKNOWN_CA",
    116: "ALERT_CERTIFICATE_REQUIRED",
    _NO_APPLICATION_PROTOCOL: "NO_APPLICATION_PROTOCOL",
}
"""Those of RFC 8446, 6, as the standard library's errors name them, which `explain_tls` explains."""


def handshake_error(end: ConnectionTerminated, quic: QuicConnection) -> OSError:
    """Why a handshake failed, as the error that TLS over TCP would raise."""
    alert = end.error_code - _ALERT
    if not 0 <= alert < 256:
        return ConnectionResetError(f"the QUIC handshake failed: {end.reason_phrase or f'error {end.error_code:#x}'}")
    certificate = quic.get_peercert() if quic.configuration.is_client else None
    if alert == _BAD_CERTIFICATE and certificate is not None and end.frame_type is not None:
        return _certificate_error(certificate, end.reason_phrase)
    if alert == _HANDSHAKE_FAILURE and "ALPN" in end.reason_phrase:
        alert = _NO_APPLICATION_PROTOCOL
    return ssl.SSLError(f"{_ALERTS.get(alert, f'ALERT_{alert}')}: {end.reason_phrase}")


def _certificate_error(certificate: Any, reason: str) -> ssl.SSLCertVerificationError:
    """What is wrong with a server's certificate: qh3 tells an unknown authority from everything else."""
    now = time.time()
    if now > certificate.not_valid_after:
        code, text = 10, "certificate has expired"
    elif now < certificate.not_valid_before:
        code, text = 9, "certificate is not yet valid"
    elif "issuer" in reason:
        code, text = (18, "self-signed certificate") if certificate.self_signed else (20, reason)
    else:
        names = [name.decode("ascii", "replace") for name in certificate.get_subject_alt_names()]
        code, text = 62, f"hostname mismatch, certificate is valid for {', '.join(names) or 'none'}"
    error = ssl.SSLCertVerificationError(1, text)
    error.verify_code, error.verify_message = code, text
    return error
