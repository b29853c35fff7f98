"""Times the generated codec against protobuf's C runtime and msgspec's MessagePack.

The message is a `TransportMessage` with 128 bytes of payload and 2 headers. "encode" is to build the message and to
encode it, "decode" is to decode it and to read every field. Figures are nanoseconds per operation, the best of several
rounds; the candidates take turns within a round, so that a busy machine is no candidate's luck.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import timeit
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from librt.strings import BytesWriter

from eventflux_transport import CompressionType, MessageType, TransportMessage, codec, transport_pb2

ROOT: Final = Path(__file__).parent.parent
CONTENT: Final = """(
    id="6f9619ff-8b86-d011-b42d-00cf4fc964ff", message_type={event}, payload=payload, headers=headers,
    timestamp=1_700_000_000_000, source_node="node-1", target_node="", priority=5, compression={none},
)"""
READ: Final = """(
    message.id, message.message_type, message.payload, {headers}, message.timestamp, message.source_node,
    message.target_node, message.priority, message.compression,
)"""
OURS: Final = "TransportMessage" + CONTENT.format(event="MessageType.EVENT", none="CompressionType.NONE")
PROTOBUF: Final = "Proto" + CONTENT.format(event="MESSAGE_TYPE_EVENT", none="COMPRESSION_TYPE_NONE")
READ_OURS: Final = READ.format(headers="message.headers")
READ_PROTOBUF: Final = READ.format(headers="dict(message.headers)")


@dataclass(frozen=True)
class Candidate:
    """A way to encode and decode, as statements that are timed."""

    name: str
    encode: str
    decode: str


def is_compiled() -> bool:
    """Whether the codec runs as machine code."""
    return not str(codec.__file__).endswith(".py")


def candidates() -> list[Candidate]:
    """What is compared."""
    return [
        Candidate(
            "compiled" if is_compiled() else "interpreted",
            f"writer = BytesWriter(); encode({OURS}, writer); writer.getvalue()",
            f"message = decode(wire, 0, len(wire)); {READ_OURS}",
        ),
        Candidate("protobuf", f"{PROTOBUF}.SerializeToString()", f"message = parse(serialized); {READ_PROTOBUF}"),
        Candidate("msgpack", f"pack({OURS})", f"message = unpack(packed); {READ_OURS}"),
    ]


def names() -> dict[str, Any]:
    """What the statements refer to."""
    setting: dict[str, Any] = {
        "BytesWriter": BytesWriter,
        "CompressionType": CompressionType,
        "MessageType": MessageType,
        "Proto": transport_pb2.TransportMessage,
        "TransportMessage": TransportMessage,
        "MESSAGE_TYPE_EVENT": transport_pb2.MESSAGE_TYPE_EVENT,
        "COMPRESSION_TYPE_NONE": transport_pb2.COMPRESSION_TYPE_NONE,
        "payload": bytes(range(128)),
        "headers": {"source": "sensor-17", "stream": "temperatures"},
        "encode": codec.encode_transport_message,
        "decode": codec.decode_transport_message,
        "parse": transport_pb2.TransportMessage.FromString,
        "pack": msgspec.msgpack.Encoder().encode,
        "unpack": msgspec.msgpack.Decoder(TransportMessage).decode,
    }
    message: TransportMessage = eval(OURS, setting)
    setting["wire"] = message.to_wire()
    setting["serialized"] = message.to_proto().SerializeToString()
    setting["packed"] = setting["pack"](message)
    return setting


def measure(rounds: int, calls: int) -> dict[tuple[str, str], float]:
    """Nanoseconds per operation, by candidate and direction."""
    setting = names()
    timers = {
        (candidate.name, direction): timeit.Timer(getattr(candidate, direction), globals=setting)
        for candidate in candidates()
        for direction in ("encode", "decode")
    }
    best = dict.fromkeys(timers, float("inf"))
    for _ in range(rounds):
        for key, timer in timers.items():
            best[key] = min(best[key], timer.timeit(calls) / calls * 1e9)
    return best


def run_compiled(arguments: list[str]) -> None:
    """Compiles the codec in a temporary copy of the package, and runs this benchmark against that."""
    with tempfile.TemporaryDirectory() as scratch:
        package = Path(scratch) / "eventflux_transport"
        shutil.copytree(Path(codec.__file__).parent, package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        search = {"MYPYPATH": os.pathsep.join([scratch, str(ROOT / "runtime")])}
        command = [sys.executable, "-m", "mypyc", "--config-file=", "--strict", "eventflux_transport/codec.py"]
        subprocess.run(command, cwd=scratch, env=os.environ | search, check=True, stdout=subprocess.DEVNULL)
        search = {"PYTHONPATH": os.pathsep.join([scratch, str(ROOT / "runtime")])}
        subprocess.run([sys.executable, __file__, *arguments], env=os.environ | search, check=True)


def main() -> None:
    """Prints one line for each candidate; with ``--compile``, for the codec compiled by mypyc too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compile", action="store_true", help="also measure the codec compiled by mypyc")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--calls", type=int, default=2000)
    options = parser.parse_args()
    best = measure(options.rounds, options.calls)
    print(f"{'ns per operation':<18}{'encode':>8}{'decode':>8}{'x protobuf':>14}")
    for name in dict.fromkeys(name for name, _ in best):
        encode, decode = best[name, "encode"], best[name, "decode"]
        factors = f"{best['protobuf', 'encode'] / encode:.2f} / {best['protobuf', 'decode'] / decode:.2f}"
        print(f"{name:<18}{encode:>8.0f}{decode:>8.0f}{factors:>14}")
    if options.compile and not is_compiled():
        run_compiled([f"--rounds={options.rounds}", f"--calls={options.calls}"])


if __name__ == "__main__":
    main()
