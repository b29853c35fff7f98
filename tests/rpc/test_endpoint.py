"""URLs: what is read, and what is refused with which words."""

from __future__ import annotations

import sys

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime import ConfigError, serve
from eventflux_runtime.rpc.endpoint import LONGEST_PATH, Endpoint, parse_endpoint, parse_target


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
        ("tcp://node.example.:1", Endpoint("tcp", host="node.example.", port=1)),
        ("tcp://under_score:1", Endpoint("tcp", host="under_score", port=1)),
        ("tcp://[fe80::1%eth0]:1", Endpoint("tcp", host="fe80::1%eth0", port=1)),
        ("unix:///tmp/a%20b?c#d", Endpoint("unix", path="/tmp/a%20b?c#d")),
        (f"tcp://{'a.' * 127}:1", Endpoint("tcp", host="a." * 127, port=1)),
        ("unix:///tmp/caf\udce9", Endpoint("unix", path="/tmp/caf\udce9")),
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
        ("tcp://a:1/path", "only ws:// and wss:// take a path behind the port, drop /path"),
        ("ws://a:1/a?b", "a path has printable ASCII without \\? and #, and here is '\\?'"),
        ("ws://a:1/a b", "here is ' '"),
        ("wss://a:1/\u00e4", "a path has printable ASCII"),
        ("ws://a:1/x,b:2/x", "the path stands once, behind the last address"),
        ("tcp://me@a:1", "leave out user"),
        ("unix://relative", "absolute path"),
        ("memory://", "names nothing"),
        ("grpc+dns:///", "nothing to resolve"),
        ("tcp://a..b:1", "nothing beside one of its dots"),
        ("tcp://.a:1", "nothing beside one of its dots"),
        ("tcp://.:1", "nothing beside one of its dots"),
        ("tcp://b\u00fccher..de:1", "nothing beside one of its dots"),
        ("tcp://m\u00f6n_ster:1", r"U\+005F cannot stand in one; if DNS has it, write it as there"),
        ("tcp://a\udce9:1", "not a host name that can be looked up"),
        ("tcp://\U0001f600.test:1", r"U\+1F600 cannot stand in one"),
        ("tcp://xn--b\u00fccher:1", "in ASCII already"),
        # Unicode has written this one in another way since the rules that Python knows.
        ("tcp://\U0002f868.test:1", r"U\+2F868 cannot stand in one"),
        # Python leaves this one out, and what is left may be somebody else's.
        ("tcp://\u0915\u094d\u200d\u0937.test:1", r"U\+200D cannot stand in one"),
        ("tcp://\ufffd.test:1", r"Invalid character '\\ufffd'; if DNS has it"),
        (f"tcp://{'a' * 300}:1", "'a{40}[.]{3}' is not a host name"),
        (f"tcp://{'a' * 64}.test:1", "64 characters, the limit is 63"),
        (f"tcp://{'a.' * 127}a:1", "255 characters, the limit is 253"),
        ("tcp://a%20b:1", "'%' cannot stand in one"),
        ("tcp://a\0b:1", "no control characters"),
        ("unix:///tmp/a\0b", "no control characters"),
        ("memory://a\nb", "no control characters"),
        ("tcp://a:1?x=1", "from 0 to 65535"),
        ("tcp://a:\uff11", "from 0 to 65535"),
        ("tcp://[node]:1", "only an IPv6 address stands in brackets"),
        ("tcp://[127.0.0.1]:1", "only an IPv6 address stands in brackets"),
        ("tcp://[::g]:1", "not an IPv6 address"),
        ("tcp://[fe80::1]:1", r"add the interface, as in \[fe80::1%eth0\]"),
        ("tcp://[fe80::1%]:1", "not an IPv6 address"),
        ("tcp://[fe80::1%a b]:1", "not an IPv6 address"),
        ("tcp://[fe80::1%a/b]:1", "not an IPv6 address"),
        ("unix://@abstract", "not an abstract name"),
        (f"unix:///{'a' * LONGEST_PATH}", f"{LONGEST_PATH} bytes at most, this one has {LONGEST_PATH + 1}"),
        ("unix:///" + "\u00e9" * (LONGEST_PATH // 2) + "a", f"this one has {LONGEST_PATH + 1}"),
        ("unix:///\ud800", "characters that no file name has"),
    ],
)
def test_refuses(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_endpoint(url)


def test_a_letter_whose_small_form_is_newer_than_python_s_rules_is_written_as_idna_has_it_or_refused() -> None:
    url = "tcp://\u13a0.test:1"
    if sys.version_info >= (3, 14):  # whose tables know no small form, as IDNA 2008 does not
        assert parse_endpoint(url).host == f"{idna.encode(chr(0x13A0)).decode()}.test"
    else:
        with pytest.raises(ConfigError, match=r"U\+AB70 cannot stand in one"):
            parse_endpoint(url)


@pytest.mark.parametrize("scheme", ["TCP", "Tcps", "GRPC", "Unix", "MEMORY", "Grpc+DNS"])
def test_the_letters_of_a_scheme_may_be_capital(scheme: str) -> None:
    rest = {"unix": "/Path", "memory": "Name", "grpc+dns": "/Name:1"}.get(scheme.lower(), "127.0.0.1:1")
    assert str(parse_endpoint(f"{scheme}://{rest}")) == f"{scheme.lower()}://{rest}"


@pytest.mark.parametrize(
    ("host", "in_ascii"),
    [
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("B\u00dcCHER.example.", "xn--bcher-kva.example."),
        # Older rules took this for fass.example, which may be somebody else's.
        ("fa\u00df.example", "xn--fa-hia.example"),
        ("\u65e5\u672c\u8a9e\u3002jp", "xn--wgv71a119e.jp"),
    ],
)
def test_names_in_other_letters(host: str, in_ascii: str) -> None:
    assert parse_endpoint(f"tcp://{host}:1").host == in_ascii


@given(st.text(st.characters(categories=["L", "M", "Nd"], exclude_characters="\u00b7"), min_size=1, max_size=4))
def test_a_name_is_never_taken_for_another(label: str) -> None:
    try:
        ours = parse_endpoint(f"tcp://{label}.example:1").host
        theirs = idna.encode(f"{label}.example", uts46=True).decode()
    except (ConfigError, UnicodeError):
        return
    assert ours.lower() == theirs


def test_what_a_certificate_calls_a_host() -> None:
    for host, name in (("node.example.", "node.example"), ("[fe80::1%eth0]", "fe80::1"), ("127.0.0.1", "127.0.0.1")):
        assert parse_endpoint(f"tcps://{host}:1").certificate_name == name


def test_every_address_is_to_listen_on() -> None:
    assert parse_endpoint("grpc://*:1") == Endpoint("grpc", host="*", port=1)
    with pytest.raises(ConfigError, match="name the host to connect to"):
        parse_target("tcp://127.0.0.1:1,*:1")


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


@pytest.mark.parametrize(
    "url",
    [
        "tcp+grpc://127.0.0.1:1",
        "grpcs+tcps://[::1]:1",
        "TCP+Grpc://*:0",
        "tcp+grpc+ws://a:1",
        "wss+tcps://a:1/rpc",
    ],
)
def test_schemes_that_share_a_port_are_joined(url: str) -> None:
    endpoint = parse_endpoint(url)
    assert [row.name for row in endpoint.rows] == endpoint.scheme.split("+")
    assert str(endpoint).lower() == url.lower()
    with pytest.raises(ConfigError, match=r"is to listen on: connect with \w+:// or|name the host"):
        parse_target(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("tcp+tpc://a:1", "unknown scheme 'tcp\\+tpc'"),
        ("tcp+://a:1", "unknown scheme"),
        ("tcp+tcp://a:1", "names tcp twice"),
        ("tcp+grpcs://a:1", "tcp and grpcs cannot share a port, one of them is encrypted"),
        ("tcp+unix://a:1", "tcp and unix cannot share an address"),
        ("unix+memory:///tmp/a", "cannot share an address"),
        ("ws+wss://a:1", "ws and wss cannot share a port, one of them is encrypted"),
        ("ws+unix:///a", "ws and unix cannot share an address"),
        ("tcp+grpc+dns://a:1", "grpc\\+dns:// is only to connect to"),
    ],
)
def test_schemes_that_cannot_share_a_port_are_refused(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_endpoint(url)


async def test_grpcio_shares_no_port() -> None:
    with pytest.raises(ConfigError, match="grpcio:// opens a port of its own and shares none with tcp://"):
        async with serve([], "tcp+grpcio://127.0.0.1:0"):
            pass


@pytest.mark.parametrize(
    ("url", "path", "text"),
    [
        ("ws://a:1", "/", "ws://a:1"),
        ("ws://a:1/", "/", "ws://a:1"),
        ("wss://[::1]:1/a/b%20c/", "/a/b%20c/", "wss://[::1]:1/a/b%20c/"),
        ("tcp+ws://a:1/rpc", "/rpc", "tcp+ws://a:1/rpc"),
        ("tcp://a:1/", "", "tcp://a:1"),
    ],
)
def test_the_path_of_a_websocket_is_part_of_its_endpoint(url: str, path: str, text: str) -> None:
    endpoint = parse_endpoint(url)
    assert (endpoint.path, str(endpoint)) == (path, text)
    assert endpoint.with_port(2).path == path


def test_one_path_is_that_of_each_address() -> None:
    assert [str(endpoint) for endpoint in parse_target("ws://a:1,b:2/rpc")] == ["ws://a:1/rpc", "ws://b:2/rpc"]


# -- parameters


@pytest.mark.parametrize(
    ("url", "parameters"),
    [
        ("rdma://a:1", ()),
        ("rdma://a:1?provider=tcp", (("provider", "tcp"),)),
        ("rdma://[::1]:1?poll=50&provider=verbs", (("poll", "50"), ("provider", "verbs"))),
    ],
)
def test_what_a_url_says_behind_its_address_is_part_of_it(url: str, parameters: tuple[tuple[str, str], ...]) -> None:
    endpoint = parse_endpoint(url)
    assert (endpoint.parameters, str(endpoint)) == (parameters, url)
    assert str(endpoint.with_port(2)) == url.replace(":1", ":2", 1) or "::1" in url
    assert endpoint.parameter("provider") == dict(parameters).get("provider", "")


def test_parameters_stand_once_and_are_those_of_each_address() -> None:
    endpoints = parse_target("rdma://a:1,b:2?provider=tcp")
    assert [str(endpoint) for endpoint in endpoints] == ["rdma://a:1?provider=tcp", "rdma://b:2?provider=tcp"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rdma://a:1?", "behind the \\? may stand provider=.* and poll=.*, not ''"),
        ("rdma://a:1?prov=tcp", "may stand provider=.*, not 'prov=tcp'"),
        ("rdma://a:1?provider", "not 'provider'"),
        ("rdma://a:1?provider=", "provider is the name of a provider of libfabric, not ''"),
        ("rdma://a:1?provider=a/b", "not 'a/b'"),
        ("rdma://a:1?poll=10000", "poll is microseconds from 0 to 9999, not '10000'"),
        ("rdma://a:1?poll=1&poll=2", "says poll twice"),
        ("rdma://a:1/x?poll=1", "take a path behind the port, drop /x"),
        ("tcp://a:1?provider=tcp", "the port must be a number"),
        ("tcp+rdma://a:1", "cannot share an address"),
    ],
)
def test_parameters_that_are_wrong(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_endpoint(url)
