"""The library of libfabric in a process: what is said where there is none, and what its loading leaves alone."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys

import pytest

from eventflux_runtime import ConfigError
from eventflux_runtime.carrier.rdma import library
from eventflux_runtime.carrier.rdma.address import peer_at, port_of
from eventflux_runtime.carrier.rdma.library import Library, load_library
from tests.support.fake_fabric import FakeFabric
from tests.support.wires import why_missing

LOADED = """
import os, signal
from eventflux_runtime.carrier.rdma.library import load_library
signal.signal(signal.SIGTERM, lambda number, frame: print("heard"))
load_library()
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_system_without_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_NAMES", ("libnowhere.so.1",))
    with pytest.raises(ConfigError, match="needs libfabric, and this system has no .*run apt-get install libfabric1"):
        load_library.__wrapped__()


@pytest.mark.skipif(bool(why_missing("rdma")), reason=why_missing("rdma") or "it is there")
def test_loading_it_takes_no_signals() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "heard\n", "")


def test_errors_are_the_systems_where_they_can_be() -> None:
    fake: Library = FakeFabric().library
    assert isinstance(fake.error(-111, "cannot connect"), ConnectionRefusedError)
    assert str(fake.error(-111, "cannot connect")) == f"[Errno 111] cannot connect: {os.strerror(111).lower()}"
    assert fake.error(-259, "odd").errno is None
    assert fake.check(3, "fine") == 3


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        (struct.pack("=HH4s8x", socket.AF_INET, socket.htons(7070), bytes([10, 0, 0, 7])), "rdma://10.0.0.7:7070"),
        (
            struct.pack("=HHI16sI", socket.AF_INET6, socket.htons(7070), 0, bytes(15) + b"\x01", 0),
            "rdma://[::1]:7070",
        ),
        (
            struct.pack("=HHI16sI", socket.AF_INET6, socket.htons(1), 0, bytes(10) + b"\xff\xff\x0a\0\0\7", 0),
            "rdma://10.0.0.7:1",
        ),
        (struct.pack("=H8s", 27, b"infinity"), "rdma://1b00696e66696e697479"),
        (b"", "rdma://unknown"),
    ],
)
@pytest.mark.skipif(sys.platform == "darwin", reason="the bytes are those of other systems than BSD's")
def test_addresses_as_the_system_has_them(address: bytes, peer: str) -> None:
    assert peer_at("rdma", address).address == peer
    if peer.endswith(":7070"):
        assert port_of(address) == 7070


def test_signals_that_nobody_can_take_are_left_out() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with library._signals_kept():
        pass
    assert signal.getsignal(signal.SIGTERM) == before
