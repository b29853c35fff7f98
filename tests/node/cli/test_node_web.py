"""`eventflux node --web`: the page it serves, whose pages may connect, and what it refuses."""

from __future__ import annotations

import base64
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import pytest

from tests.support.node_command import COMMAND, eventflux


@contextmanager
def _web_node(*options: str) -> Iterator[tuple[str, str]]:
    """A node with a WebSocket; the host and port, and the line that it prints behind its endpoints."""
    command = [*COMMAND, "node", "--listen", "tcp+grpc+ws://127.0.0.1:0/rpc", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            endpoint = process.stdout.readline().removeprefix("listening on ").strip()
            yield urlsplit(endpoint).netloc, process.stdout.readline().strip() if "--web" in options else ""
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


def _get(host: str, path: str, headers: dict[str, str] | None = None) -> tuple[HTTPResponse, bytes]:
    with closing(HTTPConnection(host, timeout=10)) as connection:
        connection.request("GET", path, headers=headers or {})
        with connection.getresponse() as response:
            return response, response.read()


def _open_websocket(host: str, origin: str) -> tuple[int, bytes]:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Origin": origin,
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        "Sec-WebSocket-Protocol": "eft1.eventflux",
    }
    response, body = _get(host, "/rpc", headers)
    return response.status, body


def test_the_page_is_at_the_root_of_the_port_and_its_origin_may_connect() -> None:
    with _web_node("--web", "--origin", "https://app.example.com") as (host, line):
        assert line == f"page at http://{host}/"
        page, body = _get(host, "/")
        assert page.status == 200
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none';")
        assert b'content="/rpc"' in body
        assert _get(host, "/page.js")[0].headers["Content-Type"].startswith("text/javascript")
        assert _get(host, "/healthz")[1] == b"SERVING\n"
        statuses = [
            _open_websocket(host, origin)[0]
            for origin in (f"http://{host}", "https://app.example.com", "https://elsewhere.example.com", "null")
        ]
        assert statuses == [101, 101, 403, 403]


def test_without_the_option_there_is_no_page_and_no_browser_connects() -> None:
    with _web_node() as (host, _):
        assert _get(host, "/")[0].status == 404
        status, reason = _open_websocket(host, f"http://{host}")
        assert status == 403
        assert b"origin" in reason


def test_an_origin_may_connect_without_a_page() -> None:
    with _web_node("--origin", "https://app.example.com") as (host, _):
        assert _get(host, "/")[0].status == 404
        assert _open_websocket(host, "https://app.example.com")[0] == 101
        assert _open_websocket(host, f"http://{host}")[0] == 403


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--listen", "tcp+grpc://127.0.0.1:0", "--web"], "--web: the page reaches the node by a WebSocket"),
        (["--listen", "ws://127.0.0.1:0", "--origin", "app.example.com"], "origins: 'app.example.com' is none"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(options: list[str], text: str) -> None:
    result = eventflux("node", *options)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"eventflux: {text}")
    assert result.stderr.count("\n") == 1
