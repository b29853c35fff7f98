"""Every field of every configuration: what it takes, and that everything else is a ConfigError when it is made."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pytest

import eventflux_transport
from eventflux_codegen.service import _LONGEST_S, _RETRY_LIMITS
from eventflux_runtime import (
    ClientConfig,
    Compression,
    ConfigError,
    EjectionConfig,
    KeepaliveConfig,
    Page,
    PoolConfig,
    RetryPolicy,
    ServerConfig,
    SocketConfig,
    StatusCode,
    TlsConfig,
    WebConfig,
    connect,
)
from eventflux_runtime.rpc.checked import Checked
from eventflux_runtime.testing import memory_endpoint
from eventflux_transport import (
    CompressionType,
    GrpcTransportConfig,
    MessageType,
    MonitorConfig,
    SimpleGrpcConfig,
    TcpTransportConfig,
    methods,
)
from tests.support.wires import linked

CLASSES: Final = (
    ClientConfig,
    EjectionConfig,
    GrpcTransportConfig,
    KeepaliveConfig,
    MonitorConfig,
    Page,
    PoolConfig,
    RetryPolicy,
    ServerConfig,
    SimpleGrpcConfig,
    SocketConfig,
    TcpTransportConfig,
    TlsConfig,
    WebConfig,
)


class Color(Enum):
    """An enum of somebody else's."""

    GZIP = "gzip"


VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    -1,
    0,
    1,
    1.0,
    2**31 - 1,
    2**31,
    2**63,
    sys.maxsize,
    10**400,
    -0.5,
    1e9,
    1.5e9,
    1e300,
    math.inf,
    -math.inf,
    math.nan,
    Decimal(3),
    Fraction(3),
    timedelta(seconds=3),
    "3",
    "",
    "gzip",
    b"gzip",
    Color.GZIP,
    Compression.GZIP,
    CompressionType.ZSTD,
    MessageType.EVENT,
    14,
    StatusCode.UNAVAILABLE,
    frozenset({StatusCode.UNAVAILABLE}),
    [StatusCode.UNAVAILABLE],
    [14],
    frozenset({"UNAVAILABLE"}),
    [[]],
    [],
    {},
    object(),
    ClientConfig,
    ClientConfig(),
    ServerConfig(),
    PoolConfig(),
    KeepaliveConfig(),
    KeepaliveConfig,
    SocketConfig(),
    RetryPolicy(),
    EjectionConfig(),
    TlsConfig(),
    WebConfig(),
    ("https://a.example", "same-origin"),
    ["10.0.0.0/8", "::1"],
    (("X-Frame-Options", "DENY"),),
    (("X-Frame-Options", b"DENY"),),
    {"/": Page()},
    {"/": Page},
    {"/": b""},
    eventflux_transport.TlsConfig(),
    "pick_first",
    "random",
    Path(__file__),
    Path("/nowhere"),
    __file__,
    lambda: None,
)


def is_number(value: Any) -> bool:
    return type(value) in {int, float}


def is_whole(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= 2**31 - 1


def is_file(value: Any) -> bool:
    return isinstance(value, str | Path) and str(value) == __file__


def is_texts(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(item, str) for item in value)


def is_codes(value: Any) -> bool:
    return isinstance(value, frozenset | list) and all(isinstance(item, StatusCode) for item in value)


ACCEPTED: Final[dict[str, Callable[[Any], bool]]] = {
    "bool": lambda value: type(value) is bool,
    "str": lambda value: isinstance(value, str),
    "PositiveSeconds": lambda value: is_number(value) and 0 < value <= 1e9,
    "Seconds": lambda value: is_number(value) and 0 <= value <= 1e9,
    "Timeout": lambda value: is_number(value) and value >= 0,
    "Milliseconds": lambda value: type(value) is int and 1 <= value <= 10**12,
    "Count": is_whole(1),
    "CountOrZero": is_whole(0),
    "Annotated[float, Limits(1, 1000)]": lambda value: is_number(value) and 1 <= value <= 1000,
    "FilePath": is_file,
    "frozenset[StatusCode]": is_codes,
    "BalancerName": lambda value: value in ("pick_first", "round_robin", "least_loaded"),
    "Compression": lambda value: isinstance(value, Compression),
    "CompressionType": lambda value: isinstance(value, CompressionType),
    "IntEnum": lambda value: isinstance(value, CompressionType),
    "AnyTls": lambda value: value is None or isinstance(value, TlsConfig | eventflux_transport.TlsConfig),
    "TlsConfig": lambda value: type(value) is TlsConfig,
    "PoolConfig": lambda value: type(value) is PoolConfig,
    "KeepaliveConfig": lambda value: type(value) is KeepaliveConfig,
    "RetryPolicy": lambda value: type(value) is RetryPolicy,
    "EjectionConfig": lambda value: type(value) is EjectionConfig,
    "SocketConfig": lambda value: type(value) is SocketConfig,
    "WebConfig": lambda value: type(value) is WebConfig,
    "bytes": lambda value: type(value) is bytes,
    "tuple[str, ...]": lambda value: value == [] or is_texts(value),
    "tuple[tuple[str, str], ...]": lambda value: value in ([], (("X-Frame-Options", "DENY"),)),
    "Mapping[str, PageSource]": lambda value: value in ({}, {"/": Page()}, {"/": Page}),
    "None": lambda value: value is None,
}
"""What a field takes, by the parts of its annotation."""

NEED_OTHERS: Final[dict[str, dict[str, Any]]] = {
    "cert_file": {"key_file": __file__},
    "key_file": {"cert_file": __file__},
    "require_client_cert": {"ca_file": __file__},
    "max_connections": {"min_connections": 0},
    "min_connections": {"max_connections": 2**31 - 1},
    "slow_s": {"timeout_s": 1e9},
    "timeout_s": {"slow_s": None},
    "degraded_after": {"unhealthy_after": 2**31 - 2, "offline_after": 2**31 - 1},
    "unhealthy_after": {"degraded_after": 1, "offline_after": 2**31 - 1},
}
"""What else has to be given for a field to be looked at by itself."""

RELATED: Final = {
    ("MonitorConfig", "degraded_after"),
    ("MonitorConfig", "unhealthy_after"),
    ("MonitorConfig", "offline_after"),
}
"""Fields whose range depends on others."""


FIELDS: Final = [
    pytest.param(owner, field, id=f"{owner.__name__}.{field.name}")
    for owner in CLASSES
    for field in dataclasses.fields(owner)
]


def accepts(field: dataclasses.Field[Any], value: Any) -> bool:
    if field.name == "server_name" and isinstance(value, str) and value in {"", __file__}:
        return False
    if field.name == "content_type" and value == "":
        return False
    if field.name == "metrics" and isinstance(value, str):
        return value.startswith("/")
    if field.name in {"origins", "trusted_proxies"} and is_texts(value) and value:
        return ("same-origin" in value) is (field.name == "origins")
    return any(ACCEPTED[part](value) for part in str(field.type).split(" | "))


@pytest.mark.parametrize(("owner", "field"), FIELDS)
def test_a_field_takes_what_it_says_and_nothing_else(owner: type[Any], field: dataclasses.Field[Any]) -> None:
    known = {each.name for each in dataclasses.fields(owner)}
    others = {name: value for name, value in NEED_OTHERS.get(field.name, {}).items() if name in known}
    for value in VALUES:
        refusal = refusal_of(owner, {field.name: value, **({} if value is None else others)})
        if accepts(field, value):
            assert not refusal or (owner.__name__, field.name) in RELATED, f"{value!r} is refused: {refusal}"
        else:
            assert field.name in refusal, f"{value!r} is taken"


def refusal_of(owner: type[Any], settings: dict[str, Any]) -> str:
    try:
        owner(**settings)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ClientConfig(compression="gzip"),  # type: ignore[arg-type]  # what is tested
            "compression must be one of Compression.NONE, Compression.LZ4, Compression.SNAPPY, Compression.ZSTD, ",
        ),
        (
            lambda: ClientConfig(timeout_s="3"),  # type: ignore[arg-type]  # what is tested
            "timeout_s must be a number, at least 0 or None, not '3'",
        ),
        (
            lambda: ClientConfig(tls=eventflux_transport.TlsConfig()),  # type: ignore[arg-type]  # what is tested
            "tls must be a eventflux_runtime.TlsConfig or None, not eventflux_transport.TlsConfig",
        ),
        (
            lambda: ClientConfig(pool=PoolConfig),  # type: ignore[arg-type]  # what is tested
            "pool must be a eventflux_runtime.PoolConfig, not the class PoolConfig: make an instance, PoolConfig(...)",
        ),
        (
            lambda: PoolConfig(max_idle_s=timedelta(1)),  # type: ignore[arg-type]  # what is tested
            "max_idle_s must be a number, above 0 and at most 1000000000, not datetime.timedelta(days=1)",
        ),
        (
            lambda: SocketConfig(send_buffer_bytes=2**31),
            "send_buffer_bytes must be at least 1 and at most 2147483647, not 2147483648",
        ),
        (
            lambda: RetryPolicy(codes={14}),  # type: ignore[arg-type]  # what is tested
            "codes must be a set, each one of StatusCode.OK,",
        ),
        (lambda: TlsConfig(server_name=".node.test"), "server_name: '.node.test' is not a host name"),
        (lambda: TlsConfig(server_name="a" * 64), "server_name: 'aaa"),
        (lambda: TlsConfig(ca_file="a\0b"), "ca_file: no such file: 'a\\x00b'"),
    ],
)
def test_errors_name_the_limit_and_the_value(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value).startswith(message)


def test_paths_are_kept_as_text_and_codes_as_a_frozenset() -> None:
    tls = TlsConfig(ca_file=Path(__file__))
    assert tls.ca_file == __file__
    assert type(tls.ca_file) is str
    assert tls == TlsConfig(ca_file=__file__)
    policy = RetryPolicy(codes=[StatusCode.ABORTED])  # type: ignore[arg-type]  # a list will do
    assert policy.codes == frozenset({StatusCode.ABORTED})


def test_a_number_without_limits_is_a_mistake_of_ours() -> None:
    @dataclasses.dataclass(frozen=True)
    class Loose(Checked):
        size: int = 1

    with pytest.raises(TypeError, match="a number needs Limits"):
        Loose()


@pytest.mark.parametrize("wire", ["tcp", "grpc", "grpcio"])
@pytest.mark.parametrize("interval_s", [1e-3, 32768, 86400 * 30, 1e9])
async def test_every_keepalive_that_is_taken_works(wire: str, interval_s: float, tmp_path: Path) -> None:
    keepalive = KeepaliveConfig(interval_s=interval_s, timeout_s=10 if interval_s < 1 else interval_s)
    server = ServerConfig(keepalive=keepalive, drain_grace_s=0)
    async with linked(wire, tmp_path, ClientConfig(keepalive=keepalive), server):
        pass


def test_connect_takes_its_own_configuration_alone() -> None:
    with pytest.raises(ConfigError, match="config must be a eventflux_runtime.ClientConfig, not eventflux_runtime.Ser"):
        connect(memory_endpoint(), config=ServerConfig())  # type: ignore[arg-type]  # what is tested


@pytest.mark.parametrize(
    "wrong",
    [{"timeout_s": "3"}, {"timeout_s": math.nan}, {"retry": 3}, {"retry": RetryPolicy}, {"compression": "gzip"}],
)
def test_a_method_is_checked_too(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} must be"):
        dataclasses.replace(methods.TRANSPORT_HEARTBEAT, **wrong)


def test_the_generator_takes_what_the_runtime_takes() -> None:
    for name, (least, most) in _RETRY_LIMITS.items():
        assert refusal_of(RetryPolicy, {name: most}) == ""
        assert refusal_of(RetryPolicy, {name: least or 1e-9}) == ""
        assert name in refusal_of(RetryPolicy, {name: most + 1})
    assert refusal_of(RetryPolicy, {"max_backoff_s": _LONGEST_S}) == ""
