"""URLs: what is read, and what is refused with which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime import ConfigError
from eventflux_runtime.endpoint import Endpoint, parse_endpoint, parse_target


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("tcp://127.0.0.1:7070", Endpoint("tcp", host="127.0.0.1", port=7070)),
        ("tcps://node.example:1", Endpoint("tcps", host="node.example", port=1)),
        ("grpc://[::1]:50051", Endpoint("grpc", host="::1", port=50051)),
        ("grpcs://localhost:0/", Endpoint("grpcs", host="localhost", port=0)),
        ("unix:///tmp/a b.sock", Endpoint("unix", path="/tmp/a b.sock")),
        ("memory://name", Endpoint("memory", path="name")),
        ("grpc+dns:///svc.example:80", Endpoint("grpc+dns", path="dns:///svc.example:80")),
        ("grpc+xds:///svc", Endpoint("grpc+xds", path="xds:///svc")),
    ],
)
def test_reads(url: str, expected: Endpoint) -> None:
    endpoint = parse_endpoint(url)
    assert endpoint == expected
    assert str(endpoint) == url.removesuffix("/")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("127.0.0.1:7070", "unknown scheme|no scheme"),
        ("localhost", "no scheme"),
        ("tpc://a:1", "did you mean tcp"),
        ("http://a:1", "use one of tcp, tcps, grpc"),
        ("tcp:a:1", "two slashes"),
        ("tcp://a", "not host:port"),
        ("tcp://:1", "not host:port"),
        ("tcp://a:65536", "from 0 to 65535"),
        ("tcp://a:x", "from 0 to 65535"),
        ("tcp://::1:7", "brackets"),
        ("tcp://a:1/path", "from 0 to 65535"),
        ("tcp://me@a:1", "leave out user"),
        ("unix://relative", "absolute path"),
        ("memory://", "names nothing"),
        ("grpc+dns:///", "nothing to resolve"),
    ],
)
def test_refuses(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_endpoint(url)


def test_several_addresses() -> None:
    expected = (Endpoint("tcp", host="a", port=1), Endpoint("tcp", host="b", port=2))
    assert parse_target("tcp://a:1,b:2") == expected
    assert parse_target(["tcp://a:1", "tcp://b:2"]) == expected
    with pytest.raises(ConfigError, match="one wire, not grpc and tcp"):
        parse_target(["tcp://a:1", "grpc://b:2"])
    with pytest.raises(ConfigError, match="no address"):
        parse_target([])
    with pytest.raises(ConfigError, match="2 addresses"):
        parse_endpoint("tcp://a:1,b:2")


@given(st.text(max_size=40))
def test_any_text_parses_or_is_a_config_error(text: str) -> None:
    for url in (text, "tcp://" + text, "unix://" + text, "grpc+dns:" + text):
        try:
            parse_target(url)
        except ConfigError as error:
            assert str(error)  # noqa: PT017 - any other exception fails the test by itself
