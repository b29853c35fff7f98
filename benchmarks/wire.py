"""Time of a unary call and of a streamed message through both sides' machines, without codec and I/O.

Run it with ``--compiled`` to build a copy of the machines with mypyc in a temporary folder first and to time that.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from librt.strings import BytesWriter

RUNTIME: Final = Path(__file__).resolve().parent.parent / "runtime"
PACKAGE: Final = "eventflux_runtime"
PAYLOAD: Final = b"x" * 300
BATCH: Final = 64


def encode(message: bytes, writer: BytesWriter) -> None:
    """A codec that costs next to nothing."""
    writer.write(message)


def module(name: str) -> Any:
    """A module of the runtime, from whichever form of it is on the path."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def native() -> tuple[Any, Any, Any]:
    """A client and a server of the native protocol, and what its `open` knows the method by."""
    core = module("protocol.native.core")
    client = core.Connection(core.Role.CLIENT, core.Settings(), now=0.0)
    server = core.Connection(core.Role.SERVER, core.Settings(), [core.MethodEntry("/p.S/M", 1)], now=0.0)
    return client, server, 0


def grpc() -> tuple[Any, Any, Any]:
    """A client and a server of gRPC, and what its `open` knows the method by."""
    settings = module("protocol.grpc.http2.settings").Settings()
    client = module("protocol.grpc.http2.client_machine").ClientMachine(
        settings, scheme="http", authority="localhost:7070", user_agent="eventflux-python", now=0.0
    )
    server = module("protocol.grpc.http2.server_machine").ServerMachine(settings, now=0.0)
    return client, server, client.route("/p.S/M")


PROTOCOLS: Final[dict[str, Callable[[], tuple[Any, Any, Any]]]] = {"native": native, "grpc": grpc}


def connect(protocol: str) -> tuple[Any, Any, Any]:
    """A client and a server past their handshake, and the method."""
    client, server, method = PROTOCOLS[protocol]()
    while client.has_output or server.has_output:
        server.receive_data(client.data_to_send(), 0.0)
        client.receive_data(server.data_to_send(), 0.0)
    return client, server, method


def unary_ns(protocol: str, calls: int) -> float:
    """Nanoseconds of one call: open, receive, send_status, receive."""
    client, server, method = connect(protocol)
    status = module("rpc.status").OK_STATUS
    empty = module("rpc.metadata").EMPTY_METADATA
    gc.collect()
    started = time.perf_counter_ns()
    for _ in range(calls):
        client.open(method, 5_000_000, empty, PAYLOAD, encode)
        (opened,) = server.receive_data(client.data_to_send(), 1.0)
        server.send_status(opened.stream_id, status, PAYLOAD, encode)
        (ended,) = client.receive_data(server.data_to_send(), 1.0)
        if ended.end - ended.start != len(PAYLOAD):
            raise SystemExit("the reply differs from what was sent")
    return (time.perf_counter_ns() - started) / calls


def stream_ns(protocol: str, messages: int) -> float:
    """Nanoseconds of one message of a stream: send, receive, consume, and the credit for it; 64 to a write."""
    client, server, method = connect(protocol)
    empty = module("rpc.metadata").EMPTY_METADATA
    stream_id = client.open(method, -1, empty, None, None, False)
    server.receive_data(client.data_to_send(), 0.0)
    gc.collect()
    started = time.perf_counter_ns()
    for _ in range(messages // BATCH):
        for _ in range(BATCH):
            if not client.send_message(stream_id, PAYLOAD, encode):
                raise SystemExit("the window is full although everything was consumed")
        for event in server.receive_data(client.data_to_send(), 1.0):
            server.consumed(stream_id, event.end - event.start)
        client.receive_data(server.data_to_send(), 1.0)
    return (time.perf_counter_ns() - started) / (messages // BATCH * BATCH)


def main() -> None:
    """Prints the best and the median of several runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiled", action="store_true", help="build with mypyc first and time that")
    parser.add_argument("--protocol", choices=tuple(PROTOCOLS), default="native")
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = RUNTIME
        if options.compiled:
            from hatch_build import compile_into  # noqa: PLC0415 - needs hatchling, which only this form does

            root = Path(name)
            compile_into(root)
        sys.path.insert(0, str(root))
        kind = "compiled" if options.compiled else "interpreted"
        for what, measure in (("unary call", unary_ns), ("streamed message", stream_ns)):
            figures = [measure(options.protocol, options.calls) for _ in range(options.runs)]
            best, median = min(figures), statistics.median(figures)
            print(
                f"{what} through both {options.protocol} machines, {kind}: best {best:.0f} ns, median {median:.0f} ns"
            )


if __name__ == "__main__":
    main()
