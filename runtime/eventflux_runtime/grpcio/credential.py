"""TLS credentials for grpcio, from `TlsConfig`."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from typing import Final, cast

import grpc

from eventflux_runtime.net.tls import client_context, server_context
from eventflux_runtime.rpc.checked import FilePath
from eventflux_runtime.rpc.config import TlsConfig
from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["ALPN", "channel_credentials", "server_credentials"]

ALPN: Final = "h2"


def channel_credentials(config: TlsConfig | None) -> grpc.ChannelCredentials:
    """The credentials of a connecting side. Files are read anew, so each connection has what they hold now.

    Raises:
        ConfigError: a file cannot be read or is not what it should be.
    """
    tls = config if config is not None else TlsConfig()
    client_context(config, (ALPN,))  # grpcio would say nothing of a broken file but that the handshake failed
    return grpc.ssl_channel_credentials(
        _read(tls.ca_file) if tls.ca_file is not None else _system_authorities(),
        _read(tls.key_file) if tls.key_file is not None else None,
        _read(tls.cert_file) if tls.cert_file is not None else None,
    )


def _system_authorities() -> bytes | None:
    """The system's authorities; None, grpcio's own list, where the system keeps them in no single file."""
    paths = ssl.get_default_verify_paths()
    return _read(paths.cafile) if paths.cafile else None


def server_credentials(config: TlsConfig | None) -> grpc.ServerCredentials:
    """The credentials of a listening side. A new handshake sees new files as soon as they are whole.

    Raises:
        ConfigError: no certificate is configured, or a file cannot be read or is not what it should be.
    """
    server_context(config, (ALPN,))
    assert config is not None
    files = _ServerFiles(config)
    # The stubs leave out the None that grpcio documents for "nothing new".
    fetch = cast("Callable[[], grpc.ServerCertificateConfiguration]", files.load_if_changed)
    return grpc.dynamic_ssl_server_credentials(files.load(), fetch, config.require_client_cert)


class _ServerFiles:
    """A server's certificate files and when they were last read. grpcio asks from threads of its own."""

    def __init__(self, tls: TlsConfig) -> None:
        self._tls = tls
        self._paths = [path for path in (tls.cert_file, tls.key_file, tls.ca_file) if path is not None]
        self._seen = self._stamps()

    def _stamps(self) -> list[tuple[int, int]]:
        return [(stat.st_mtime_ns, stat.st_ino) for stat in map(os.stat, self._paths)]

    def load(self) -> grpc.ServerCertificateConfiguration:
        """What the files hold now."""
        tls = self._tls
        assert tls.cert_file is not None
        assert tls.key_file is not None
        return grpc.ssl_server_certificate_configuration(
            [(_read(tls.key_file), _read(tls.cert_file))],
            _read(tls.ca_file) if tls.ca_file is not None else None,
        )

    def load_if_changed(self) -> grpc.ServerCertificateConfiguration | None:
        """What the files hold now, if that is new and fit for use; None: go on with what was loaded before."""
        try:
            stamps = self._stamps()
            if stamps == self._seen:
                return None
            server_context(self._tls, (ALPN,))
            loaded = self.load()
        except (OSError, ConfigError):
            return None  # caught in the middle of a renewal; the next handshake looks again
        self._seen = stamps
        return loaded


def _read(path: FilePath) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"{path!r} cannot be read: {error.strerror}") from None
