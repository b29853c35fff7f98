"""Certificates for the tests: of an authority that both sides know, and with everything that can be wrong with one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme

from eventflux_runtime import TlsConfig

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate's files."""

    cert_file: str
    key_file: str

    @property
    def files(self) -> dict[str, Any]:
        """Keyword arguments of a `TlsConfig`."""
        return {"cert_file": self.cert_file, "key_file": self.key_file}


class Authority:
    """Issues certificates into files of one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.ca = trustme.CA()
        self.ca_file = str(directory / "ca.pem")
        self.ca.cert_pem.write_to_path(self.ca_file)

    def issue(self, name: str, *hosts: str, ca: trustme.CA | None = None, has_chain: bool = True, **dates: Any) -> Pair:
        """A certificate for hosts, by this authority or another. Replaces the files of an earlier one of that name."""
        made = (ca or self.ca).issue_cert(*hosts, common_name=name, **dates)
        pair = Pair(str(self._directory / f"{name}.pem"), str(self._directory / f"{name}.key"))
        for index, blob in enumerate(made.cert_chain_pems if has_chain else made.cert_chain_pems[:1]):
            blob.write_to_path(pair.cert_file, append=index > 0)
        made.private_key_pem.write_to_path(pair.key_file)
        return pair

    def server(self) -> Pair:
        """A good one for a server."""
        return self.issue("server", "127.0.0.1", "localhost")

    def client(self, name: str = "client") -> Pair:
        """A good one for a client."""
        return self.issue(name, "client.test")

    def expired(self, name: str, host: str) -> Pair:
        """One that was good until yesterday."""
        now = datetime.now(UTC)
        return self.issue(name, host, not_before=now - 3 * _DAY, not_after=now - _DAY)

    def trusting(self, **options: Any) -> TlsConfig:
        """A configuration that trusts this authority."""
        return TlsConfig(ca_file=self.ca_file, **options)

    def mutual(self) -> TlsConfig:
        """A server's that requires client certificates."""
        return self.trusting(require_client_cert=True, **self.server().files)
