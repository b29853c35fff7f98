"""What a server is called in TLS: a dot at the end of a name, a zone, other letters are no part of it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventflux_runtime import ClientConfig, ConfigError, ServerConfig, TlsConfig, connect, serve
from eventflux_transport import Message, TransportClient
from tests.support.authority import Authority
from tests.support.probe import Probe


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def here(monkeypatch: pytest.MonkeyPatch, *names: bytes) -> None:
    """Lets names stand for this machine."""
    real = socket.getaddrinfo

    def found(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host in names else host, port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize(
    ("host", "server_name"),
    [
        ("node.example.", None),
        ("b\u00fccher.example", None),
        ("127.0.0.1", "node.example."),
        ("127.0.0.1", "b\u00fccher.example"),
    ],
)
@pytest.mark.parametrize("wire", ["tcps", "grpcs", "grpcios"])
async def test_a_name_written_in_another_way_is_the_same_name(
    wire: str,
    host: str,
    server_name: str | None,
    skips: bool,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    recwarn: pytest.WarningsRecorder,
) -> None:
    here(monkeypatch, b"node.example.", b"xn--bcher-kva.example")
    own = authority.issue("server", "node.example", "b\u00fccher.example")
    server_config = ServerConfig(tls=TlsConfig(**own.files), drain_grace_s=0)
    trust = {"insecure_skip_verify": True} if skips else {"ca_file": authority.ca_file}
    config = ClientConfig(tls=TlsConfig(server_name=server_name, **trust))
    with anyio.fail_after(20):
        async with serve([Probe()], f"{wire}://127.0.0.1:0", config=server_config) as server:
            port = server.endpoints[0].rpartition(":")[2]
            async with connect(f"{wire}://{host}:{port}", config=config) as channel:
                assert (await TransportClient(channel).send_message(Message(id="a"))).id == "a"


@pytest.mark.parametrize("name", ["", "a..b", ".a", "a\0b", "a b", "m\u00f6n_ster", "a" * 64])
def test_a_name_that_no_host_has(name: str) -> None:
    with pytest.raises(ConfigError, match="server_name: "):
        TlsConfig(server_name=name)
