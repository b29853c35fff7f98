"""The files of the live page, and where a browser finds it."""

from __future__ import annotations

import re

import pytest

from eventflux_node.web_page import page_urls, socket_path, web_pages
from eventflux_runtime import ConfigError


def _index(path: str = "/") -> str:
    page = web_pages(path)["/"]
    return page.body.decode()


def test_every_file_that_the_page_names_is_served() -> None:
    named = re.findall(r'(?:href|src)="([^"#][^"]*)"', _index())
    assert {f"/{name}" for name in named} == set(web_pages("/")) - {"/"}


def test_the_page_takes_nothing_from_elsewhere_and_runs_nothing_else() -> None:
    for path, page in web_pages("/").items():
        headers = dict(page.headers)
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
        assert "unsafe" not in headers["Content-Security-Policy"]
        others = set(re.findall(r"""https?://[^\s"'`)$]+""", page.body.decode())) - {"http://www.w3.org/2000/svg"}
        assert not others, path
    assert not re.search(r"<style|\son\w+=|\sstyle=|<script(?![^>]*\ssrc=)", _index())


def test_the_page_knows_the_path_of_the_websocket() -> None:
    assert '<meta name="eventflux-socket" content="/">' in _index()
    assert '<meta name="eventflux-socket" content="/a&quot;b">' in _index('/a"b')


@pytest.mark.parametrize(
    ("endpoints", "path"),
    [
        (["ws://127.0.0.1:1"], "/"),
        (["tcp://127.0.0.1:1", "tcp+grpc+ws://127.0.0.1:2/rpc"], "/rpc"),
        (["wss://127.0.0.1:1/rpc", "ws://127.0.0.1:2/rpc"], "/rpc"),
    ],
)
def test_the_path_is_that_of_the_endpoints(endpoints: list[str], path: str) -> None:
    assert socket_path(endpoints) == path


@pytest.mark.parametrize(
    ("endpoints", "text"),
    [
        (["tcp+grpc://127.0.0.1:1"], "add ws to a URL, as in --listen tcp\\+grpc\\+ws://"),
        (["ws://127.0.0.1:1/b", "ws://127.0.0.1:2/a"], "the WebSockets have /a and /b: give them the same"),
    ],
)
def test_a_page_that_could_not_reach_the_node_is_refused(endpoints: list[str], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        socket_path(endpoints)


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("tcp+grpc+ws://127.0.0.1:7070/rpc", "http://127.0.0.1:7070/"),
        ("tcps+wss://node.example:7070", "https://node.example:7070/"),
        ("ws://0.0.0.0:7070", "http://127.0.0.1:7070/"),
        ("ws://[::]:7070", "http://[::1]:7070/"),
        ("ws://[fe80::1]:7070", "http://[fe80::1]:7070/"),
    ],
)
def test_a_browser_is_told_where_the_page_is(endpoint: str, url: str) -> None:
    assert page_urls([endpoint, "tcp://127.0.0.1:1", "unix:///tmp/socket"]) == [url]
