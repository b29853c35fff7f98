"""Metadata, configuration and errors: what they accept, and what they say when they do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eventflux_runtime import (
    ClientConfig,
    ConfigError,
    KeepaliveConfig,
    Metadata,
    NotFound,
    PoolConfig,
    PoolTimeout,
    RetryPolicy,
    RpcError,
    ServerConfig,
    SocketConfig,
    Status,
    StatusCode,
    TlsConfig,
    Unavailable,
)


def test_metadata_semantics() -> None:
    metadata = Metadata.of([("Key", " padded "), ("key", "2"), ("raw-bin", b"\x00")])
    assert metadata.get("KEY") == "2"
    assert metadata.get_all("key") == ("padded", "2")
    assert metadata["raw-bin"] == b"\x00"
    assert metadata.get("none") is None
    assert "none" not in metadata
    with pytest.raises(KeyError):
        metadata["none"]
    assert (metadata | Metadata.of({"z": "1"})).pairs[-1] == ("z", "1")


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (("", "v"), "not valid"),
        (("a b", "v"), "not valid"),
        (("grpc-timeout", "1S"), "reserved"),
        (("a", b"v"), "end the key in '-bin'"),
        (("a-bin", "v"), "must be bytes"),
        (("a", "é"), "printable ASCII"),
        (("a", "x\n"), "printable ASCII"),
    ],
)
def test_metadata_refuses(pair: tuple[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Metadata.of([pair])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: KeepaliveConfig(interval_s=0), "interval_s must be above 0"),
        (lambda: KeepaliveConfig(timeout_s=float("inf")), "timeout_s must be above 0 and at most 1000000000, not inf"),
        (lambda: KeepaliveConfig(timeout_s=float("nan")), "timeout_s"),
        (lambda: PoolConfig(min_connections=-1), "min_connections must be at least 0"),
        (lambda: PoolConfig(min_connections=5, max_connections=4), "at least min_connections"),
        (lambda: PoolConfig(acquire_timeout_s=-1), "acquire_timeout_s"),
        (lambda: RetryPolicy(max_attempts=0), "max_attempts must be at least 1"),
        (lambda: RetryPolicy(multiplier=0.5), "multiplier must be at least 1"),
        (lambda: RetryPolicy(codes=frozenset({StatusCode.OK})), "OK is no failure"),
        (lambda: ClientConfig(balancer="random"), "balancer must be one of pick_first"),  # type: ignore[arg-type]  # what is tested
        (lambda: ClientConfig(timeout_s=-0.1), "timeout_s must be at least 0, not -0.1"),
        (lambda: ClientConfig(max_message_bytes=0), "max_message_bytes must be at least 1 and at most 2147483647"),
        (lambda: ServerConfig(max_connections=0), "max_connections must be at least 1"),
        (lambda: SocketConfig(send_buffer_bytes=0), "send_buffer_bytes must be at least 1"),
        (lambda: TlsConfig(cert_file="c"), "belong together"),
        (lambda: TlsConfig(ca_file="/nowhere/ca.pem"), "ca_file: no such file"),
        (lambda: TlsConfig(require_client_cert=True), "needs ca_file"),
    ],
)
def test_configuration_is_checked_when_made(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()


def test_skip_verify_and_ca_file_contradict(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("")
    with pytest.raises(ConfigError, match="contradict"):
        TlsConfig(ca_file=str(ca), insecure_skip_verify=True)


def test_a_timeout_of_zero_is_kept() -> None:
    assert ClientConfig(timeout_s=0).timeout_s == 0
    assert ServerConfig(drain_grace_s=0).drain_grace_s == 0


def test_every_code_has_its_own_error() -> None:
    kinds = {type(RpcError.from_status(Status(code, "m"))) for code in StatusCode if code is not StatusCode.OK}
    assert len(kinds) == 16
    error = RpcError.from_status(Status(StatusCode.NOT_FOUND, "m", (), Metadata.of({"a": "b"})))
    assert isinstance(error, NotFound)
    assert error.status == Status(StatusCode.NOT_FOUND, "m", (), Metadata.of({"a": "b"}))
    assert str(error) == "NOT_FOUND: m"
    assert isinstance(PoolTimeout("m"), Unavailable)
    assert StatusCode.from_number(99) is StatusCode.UNKNOWN
