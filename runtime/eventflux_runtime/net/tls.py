"""TLS contexts, or what else is made of `TlsConfig` and follows its files; and what a handshake says of its failure."""

from __future__ import annotations

import logging
import os
import ssl
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from eventflux_runtime.rpc.checked import FilePath
from eventflux_runtime.rpc.config import TlsConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.host import certificate_name, parse_host
from eventflux_runtime.rpc.peer import PeerIdentity

__all__ = [
    "TlsSource",
    "client_context",
    "client_source",
    "expected_name",
    "explain_refusal",
    "explain_tls",
    "peer_identity",
    "server_context",
    "server_source",
    "warn_unverified",
]

T = TypeVar("T")

_KEPT_SOURCES: Final = 64
_log: Final = logging.getLogger("eventflux_runtime.tls")


def client_context(config: TlsConfig | None, protocols: tuple[str, ...]) -> ssl.SSLContext:
    """The context of a connecting side, from what its files hold now.

    `protocols` is what may be spoken inside (ALPN, RFC 7301), so that a port that speaks something else is told apart
    in the handshake.

    Raises:
        ConfigError: a file cannot be read or is not what it should be.
    """
    tls = config if config is not None else TlsConfig()
    warn_unverified(tls)
    return _build_client(tls, protocols)


def expected_name(config: TlsConfig | None, endpoint: Endpoint) -> str:
    """What the certificate of a server at `endpoint` is to call it."""
    if config is None or config.server_name is None:
        return endpoint.certificate_name
    return certificate_name(parse_host(config.server_name))


def _build_client(tls: TlsConfig, protocols: tuple[str, ...]) -> ssl.SSLContext:
    context = _bare_context(ssl.PROTOCOL_TLS_CLIENT, protocols)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca_file is not None:
        # Only the given authorities count: those of the system are left out.
        _load_authorities(context, tls.ca_file)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    _load_own(context, tls)
    return context


def warn_unverified(tls: TlsConfig) -> None:
    """Warns of a client that accepts any certificate."""
    if tls.insecure_skip_verify:
        warnings.warn(
            "insecure_skip_verify accepts any certificate: anyone on the path can read and change the traffic",
            RuntimeWarning,
            stacklevel=3,
        )


def server_context(config: TlsConfig | None, protocols: tuple[str, ...]) -> ssl.SSLContext:
    """The context of a listening side, from what its files hold now; `protocols` as in `client_context`.

    Raises:
        ConfigError: no certificate is configured, or a file cannot be read or is not what it should be.
    """
    if config is None or config.cert_file is None:
        raise ConfigError("a TLS endpoint needs ServerConfig(tls=TlsConfig(cert_file=..., key_file=...))")
    context = _bare_context(ssl.PROTOCOL_TLS_SERVER, protocols)
    _load_own(context, config)
    if config.ca_file is not None:
        _load_authorities(context, config.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED if config.require_client_cert else ssl.CERT_OPTIONAL
    return context


def _bare_context(protocol: int, protocols: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(protocols)
    return context


def _load_own(context: ssl.SSLContext, tls: TlsConfig) -> None:
    if tls.cert_file is None:
        return
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, _no_password)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"cert_file {tls.cert_file!r} with key_file {tls.key_file!r} cannot be used: {error}"
        ) from None


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal, and wait there.
    raise ConfigError("key_file is encrypted: store the key without a password, readable by this process alone")


def _load_authorities(context: ssl.SSLContext, ca_file: FilePath) -> None:
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca_file {ca_file!r} cannot be used: {error}") from None


# -- files that change


class TlsSource(Generic[T]):
    """What the next handshake needs, such as a context: built anew when a file has changed.

    A renewal that is caught half written is no reason to fail: what was good last serves until the files fit together.
    Connections keep what they were made with.

    Invariant: `_stamps` are those of the files that `_built` was built from, or older.
    """

    def __init__(
        self,
        tls: TlsConfig,
        protocols: tuple[str, ...],
        build: Callable[[TlsConfig, tuple[str, ...]], T],
    ) -> None:
        """Builds the first.

        Args:
            tls: names the files.
            protocols: what may be spoken inside (ALPN).
            build: makes what is needed; raises ConfigError.
        """
        self._tls = tls
        self._protocols = protocols
        self._build = build
        self._paths = [path for path in (tls.ca_file, tls.cert_file, tls.key_file) if path is not None]
        self._stamps = self._read_stamps()
        self._built = build(tls, protocols)
        self._failed_stamps: list[tuple[int, int, int]] | None = None

    def _read_stamps(self) -> list[tuple[int, int, int]] | None:
        try:
            return [(stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in map(os.stat, self._paths)]
        except OSError:
            return None  # a file is being replaced

    def current(self) -> T:
        """What a handshake that begins now needs."""
        stamps = self._read_stamps()
        if stamps is None or stamps in (self._stamps, self._failed_stamps):
            return self._built
        try:
            self._built = self._build(self._tls, self._protocols)
        except ConfigError as error:
            self._failed_stamps = stamps
            _log.warning("the certificates that were used before stay in use: %s", error)
        else:
            self._stamps = stamps
            _log.info("read the certificates anew, for the handshakes to come: %s", ", ".join(map(str, self._paths)))
        return self._built


@lru_cache(maxsize=_KEPT_SOURCES)
def _kept_source(tls: TlsConfig, protocols: tuple[str, ...]) -> TlsSource[ssl.SSLContext]:
    return TlsSource(tls, protocols, _build_client)


def client_source(config: TlsConfig | None, protocols: tuple[str, ...]) -> TlsSource[ssl.SSLContext]:
    """The contexts of a connecting side.

    They are kept for the next connection with an equal configuration: to read the system's authorities takes a tenth of
    a second.

    Raises:
        ConfigError: a file cannot be read or is not what it should be.
    """
    return _kept_source(config if config is not None else TlsConfig(), protocols)


def server_source(config: TlsConfig | None, protocols: tuple[str, ...]) -> TlsSource[ssl.SSLContext]:
    """The contexts of a listening side.

    Raises:
        ConfigError: no certificate is configured, or a file cannot be read or is not what it should be.
    """
    return TlsSource(config if config is not None else TlsConfig(), protocols, server_context)


# -- what a handshake says


def peer_identity(certificate: dict[str, Any] | None) -> PeerIdentity | None:
    """The identity in a verified certificate, in the form of `ssl.SSLSocket.getpeercert`; None without one."""
    if not certificate:
        return None
    subject = next((value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"), "")
    return PeerIdentity(subject, tuple(value for _, value in certificate.get("subjectAltName", ())))


_UNKNOWN_AUTHORITY: Final = (
    "comes from an unknown authority, or an intermediate certificate is missing: let TlsConfig.ca_file hold the "
    "authority that signed it, and {other}'s cert_file its whole chain"
)
_EXPIRED: Final = 10
_VERIFY: Final = {
    # X509_V_ERR_..., include/openssl/x509_vfy.h in https://github.com/openssl/openssl
    9: "is not valid yet: check the clocks of both sides",
    _EXPIRED: "has expired: renew it",
    18: "is self-signed and not trusted: put it into TlsConfig.ca_file if it is the right one",
    19: "comes from an unknown authority: set TlsConfig.ca_file to the authority that signed it",
    20: _UNKNOWN_AUTHORITY,
    21: _UNKNOWN_AUTHORITY,
    23: "was revoked",
    26: "is not meant for this purpose: its extended key usage has to name it",
    62: "is for another host: connect by a name that is in it, or set TlsConfig.server_name",
    64: "is for another host: connect by an address that is in it, or set TlsConfig.server_name",
}

_REASONS: Final = (
    # From include/openssl/sslerr.h. An alert is what the other side says of us.
    ("ALERT_CERTIFICATE_REQUIRED", "{other} requires a certificate of ours: set TlsConfig.cert_file and key_file"),
    ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "{other} shows no certificate, and require_client_cert is set"),
    (
        "ALERT_UNKNOWN_CA",
        "our certificate comes from an authority that {other} does not know, or an intermediate one is missing",
    ),
    ("ALERT_CERTIFICATE_EXPIRED", "our certificate has expired, says {other}: renew it"),
    ("ALERT_CERTIFICATE_REVOKED", "our certificate was revoked, says {other}"),
    ("ALERT_UNSUPPORTED_CERTIFICATE", "our certificate is not meant for this purpose, says {other}"),
    ("ALERT_BAD_CERTIFICATE", "our certificate is not accepted by {other}"),
    ("ALERT_CERTIFICATE_UNKNOWN", "our certificate is not accepted by {other}"),
    ("NO_APPLICATION_PROTOCOL", "{other} does not speak the URL's protocol inside TLS: check the scheme and the port"),
    ("ALERT_PROTOCOL_VERSION", "{other} speaks no version of TLS from 1.2 on"),
    ("UNSUPPORTED_PROTOCOL", "{other} speaks no version of TLS from 1.2 on"),
    ("WRONG_VERSION_NUMBER", "{other} does not speak TLS: use tcps:// on both sides, or tcp:// on both"),
    ("HTTP_REQUEST", "{other} speaks HTTP/1 without TLS: check the port"),
    ("EOF", "{other} closed the connection in the TLS handshake: a port without TLS takes tcp://"),
)


def explain_tls(error: ssl.SSLError, other: str) -> str:
    """What went wrong and what to do about it; `other` names the other side."""
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _VERIFY.get(error.verify_code)
        if known is not None:
            return f"{other}'s certificate {known.format(other=other)} ({error.verify_message})"
        return f"{other}'s certificate was not accepted: {error.verify_message}"
    # An error that Python's own code made has no reason.
    text = getattr(error, "reason", None) or str(error)
    advice = next((advice for part, advice in _REASONS if part in text), None)
    return f"the TLS connection failed: {text}" if advice is None else advice.format(other=other)


def explain_refusal(config: TlsConfig | None) -> str:
    """Why a server ended the connection when it had seen our certificate, or that there is none, and did not say."""
    if config is None or config.cert_file is None:
        return "the server requires a client certificate: set TlsConfig.cert_file and key_file"
    if _has_expired(config):
        return "our certificate has expired: renew it"
    return "our certificate comes from an authority that the server does not know, or an intermediate one is missing"


def _has_expired(tls: TlsConfig) -> bool:
    """Shakes hands with ourselves, because nothing else in the standard library judges a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_own(context, tls)
    context.load_verify_locations(tls.cert_file)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_mode = ssl.CERT_REQUIRED
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    unverified = _build_client(TlsConfig(cert_file=tls.cert_file, key_file=tls.key_file, insecure_skip_verify=True), ())
    client = unverified.wrap_bio(to_client, to_server)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return error.verify_code == _EXPIRED
    return False
