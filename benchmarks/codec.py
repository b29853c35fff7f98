"""Times the generated codecs against protobuf's C runtime, msgspec's MessagePack and betterproto2.

The messages are a `TransportMessage` with 128 bytes of payload and 2 headers, an `EventRequest` with lists in a nested
message, and a `HeartbeatRequest` with numbers of every width. "encode" is to build the message and to encode it,
"decode" is to decode it and to read every field. "compiled" and "interpreted" are our native layout, and with
"protobuf" our codec of protobuf's encoding; "protobuf" alone is protobuf's own runtime with its own objects, "bridge"
our messages by way of those. Figures are nanoseconds per operation, the best of several rounds; the candidates take
turns within a round, so that a busy machine is no candidate's luck.
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

import eventflux_transport
from benchmarks import bridge
from eventflux_transport import codec, messages, protobuf, transport_pb2

ROOT: Final = Path(__file__).parent.parent


@dataclass(frozen=True)
class Subject:
    """A message type, with its sample as source text and the fields that are read back.

    In the text a type's name is followed by ``(``, and an enum's member stands as ``{MessageType.EVENT}``.
    """

    name: str
    sample: str
    read: str
    read_protobuf: str


_TEXT: Final = "message.id, message.message_type, message.payload, {headers}, message.timestamp, message.source_node, "
_TEXT_END: Final = "message.target_node, message.priority, message.compression"
_STATUS: Final = (
    "message.node_id, message.timestamp, (s := message.status).health, s.cpu_usage, s.memory_usage, "
    "s.active_connections, s.events_per_second, s.version, {metadata}"
)
_REQUEST: Final = (
    "message.node_id, {names}, {types}, (f := message.filter).start_timestamp, f.end_timestamp, message.batch_size"
)

SUBJECTS: Final = (
    Subject(
        "TransportMessage",
        """TransportMessage(
            id="6f9619ff-8b86-d011-b42d-00cf4fc964ff", message_type={MessageType.EVENT}, payload=payload,
            headers=headers, timestamp=1_700_000_000_000,
            source_node="node-1", target_node="", priority=5, compression={CompressionType.NONE})""",
        _TEXT.format(headers="message.headers") + _TEXT_END,
        _TEXT.format(headers="dict(message.headers)") + _TEXT_END,
    ),
    Subject(
        "EventRequest",
        """EventRequest(node_id="node-1", filter=EventFilter(
            stream_names=["temperatures", "pressures", "alarms"], start_timestamp=1_700_000_000_000, end_timestamp=0,
            message_types=[{MessageType.EVENT}, {MessageType.QUERY}]), batch_size=100)""",
        _REQUEST.format(names="message.filter.stream_names", types="message.filter.message_types"),
        _REQUEST.format(names="list(message.filter.stream_names)", types="list(message.filter.message_types)"),
    ),
    Subject(
        "HeartbeatRequest",
        """HeartbeatRequest(node_id="node-1", timestamp=1_700_000_000_000, status=NodeStatus(
            health={NodeHealth.HEALTHY}, cpu_usage=12.5, memory_usage=43.25, active_connections=17,
            events_per_second=120_000, version="1.4.2", metadata=headers))""",
        _STATUS.format(metadata="s.metadata"),
        _STATUS.format(metadata="dict(s.metadata)"),
    ),
)
PROTOBUF_MEMBERS: Final = {
    "{MessageType.EVENT}": "MESSAGE_TYPE_EVENT",
    "{MessageType.QUERY}": "MESSAGE_TYPE_QUERY",
    "{CompressionType.NONE}": "COMPRESSION_TYPE_NONE",
    "{NodeHealth.HEALTHY}": "NODE_HEALTH_HEALTHY",
}


@dataclass(frozen=True)
class Candidate:
    """A way to encode and decode one message, as statements that are timed with names of their own."""

    name: str
    encode: str
    decode: str
    names: dict[str, Any]


def is_compiled() -> bool:
    """Whether the codec runs as machine code."""
    return not str(codec.__file__).endswith(".py")


def candidates(subject: Subject) -> list[Candidate]:
    """What is compared."""
    plain = subject.sample
    theirs = subject.sample
    for member, name in PROTOBUF_MEMBERS.items():
        plain = plain.replace(member, member.strip("{}"))
        theirs = theirs.replace(member, name)
    ours = {name: getattr(eventflux_transport, name) for name in dir(eventflux_transport) if name[0].isupper()}
    made = [
        _ours(subject, plain, ours),
        _ours_protobuf(subject, plain, ours),
        _bridge(subject, plain, ours),
        _protobuf(subject, theirs),
        _msgpack(subject, plain, ours),
        _betterproto(subject, plain),
    ]
    return [each for each in made if each is not None]


COMPILED: Final = (
    "eventflux_transport/codec.py",
    "eventflux_transport/protobuf.py",
    "eventflux_runtime/message/scalar.py",
    "eventflux_runtime/message/unknown.py",
    "eventflux_runtime/message/varint.py",
)
"""The codecs and what they call."""

GIVEN: Final = {"payload": bytes(range(128)), "headers": {"source": "sensor-17", "stream": "temperatures"}}
"""What an application has at hand when it builds a message."""


def _with_wire(names: dict[str, Any], encode: str) -> dict[str, Any]:
    names |= GIVEN
    exec(f"wire = {encode}", names)
    return names


def _ours(subject: Subject, sample: str, names: dict[str, Any]) -> Candidate:
    kind, snake = getattr(messages, subject.name), _snake(subject)
    functions = getattr(codec, f"encode{snake}"), getattr(codec, f"decode{snake}")
    wire = kind.to_wire(eval(sample, names | GIVEN))
    return _generated("compiled" if is_compiled() else "interpreted", subject, sample, names, functions, wire)


def _ours_protobuf(subject: Subject, sample: str, names: dict[str, Any]) -> Candidate:
    kind, snake = getattr(messages, subject.name), _snake(subject)
    functions = getattr(protobuf, f"encode{snake}_protobuf"), getattr(protobuf, f"decode{snake}_protobuf")
    wire = kind.to_protobuf(eval(sample, names | GIVEN))
    name = "compiled protobuf" if is_compiled() else "interpreted protobuf"
    return _generated(name, subject, sample, names, functions, wire)


def _snake(subject: Subject) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in subject.name)


def _generated(
    name: str, subject: Subject, sample: str, names: dict[str, Any], functions: tuple[Any, Any], wire: bytes
) -> Candidate:
    encode, decode = functions
    names = names | GIVEN | {"BytesWriter": BytesWriter, "encode": encode, "decode": decode, "wire": wire}
    assert decode(wire, 0, len(wire)) == eval(sample, names)
    return Candidate(
        name,
        f"writer = BytesWriter(); encode({sample}, writer); writer.getvalue()",
        f"message = decode(wire, 0, len(wire)); ({subject.read})",
        names,
    )


def _bridge(subject: Subject, sample: str, names: dict[str, Any]) -> Candidate | None:
    if subject.name != "TransportMessage":
        return None
    names = names | {"encode": bridge.encode, "decode": bridge.decode}
    names = _with_wire(names, f"encode({sample})")
    return Candidate("bridge", f"encode({sample})", f"message = decode(wire); ({subject.read})", names)


def _protobuf(subject: Subject, sample: str) -> Candidate:
    encode = f"{sample}.SerializeToString()"
    names = _with_wire(dict(vars(transport_pb2)), encode) | {"decode": getattr(transport_pb2, subject.name).FromString}
    return Candidate("protobuf", encode, f"message = decode(wire); ({subject.read_protobuf})", names)


def _msgpack(subject: Subject, sample: str, names: dict[str, Any]) -> Candidate:
    decode = msgspec.msgpack.Decoder(getattr(messages, subject.name)).decode
    names = _with_wire(names | {"encode": msgspec.msgpack.Encoder().encode, "decode": decode}, f"encode({sample})")
    return Candidate("msgpack", f"encode({sample})", f"message = decode(wire); ({subject.read})", names)


def _betterproto(subject: Subject, sample: str) -> Candidate | None:
    try:
        from benchmarks import betterproto  # noqa: PLC0415 - a candidate that need not be installed
    except ModuleNotFoundError:
        return None
    encode = f"bytes({sample})"
    names = _with_wire(dict(vars(betterproto)), encode) | {"decode": getattr(betterproto, subject.name).parse}
    return Candidate("betterproto2", encode, f"message = decode(wire); ({subject.read})", names)


def measure(subject: Subject, rounds: int, calls: int) -> dict[tuple[str, str], float]:
    """Nanoseconds per operation, by candidate and direction."""
    timers = {
        (candidate.name, direction): timeit.Timer(getattr(candidate, direction), globals=candidate.names)
        for candidate in candidates(subject)
        for direction in ("encode", "decode")
    }
    best = dict.fromkeys(timers, float("inf"))
    for _ in range(rounds):
        for key, timer in timers.items():
            # betterproto2 takes a hundred times as long as the others: a fiftieth of the calls will do.
            number = max(1, calls // 50) if key[0] == "betterproto2" else calls
            best[key] = min(best[key], timer.timeit(number) / number * 1e9)
    return best


def measure_bridge(rounds: int, calls: int) -> tuple[float, float]:
    """How many times as long as our codec of protobuf's encoding the bridge takes, to encode and to decode."""
    message = eval(SUBJECTS[0].sample.replace("{", "").replace("}", ""), vars(eventflux_transport) | GIVEN)
    codec_names = {"encode": protobuf.encode_transport_message_protobuf, "BytesWriter": BytesWriter, "message": message}
    codec_names |= {"decode": protobuf.decode_transport_message_protobuf, "wire": message.to_protobuf()}
    bridge_names = codec_names | {"encode": bridge.encode, "decode": bridge.decode}
    timers = [
        timeit.Timer("writer = BytesWriter(); encode(message, writer); writer.getvalue()", globals=codec_names),
        timeit.Timer("decode(wire, 0, len(wire))", globals=codec_names),
        timeit.Timer("encode(message)", globals=bridge_names),
        timeit.Timer("decode(wire)", globals=bridge_names),
    ]
    times = [[timer.timeit(calls) for timer in timers] for _ in range(rounds)]
    encode, decode, bridge_encode, bridge_decode = (min(each) for each in zip(*times, strict=True))
    return bridge_encode / encode, bridge_decode / decode


def run_compiled(arguments: list[str]) -> None:
    """Compiles the codec in a temporary copy of the packages, and runs this benchmark against that."""
    from hatch_build import PACKAGES, run_mypyc  # noqa: PLC0415 - needs hatchling, which only this form does

    with tempfile.TemporaryDirectory() as scratch:
        for package in PACKAGES:
            target = Path(scratch, Path(package).name)
            shutil.copytree(ROOT / package, target, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        run_mypyc(Path(scratch), list(COMPILED), Path(scratch))
        search = {"PYTHONPATH": os.pathsep.join([scratch, str(ROOT)])}
        subprocess.run([sys.executable, "-m", "benchmarks.codec", *arguments], env=os.environ | search, check=True)


def main() -> None:
    """Prints one line for each message and candidate; with ``--compile``, for the codec compiled by mypyc too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compile", action="store_true", help="also measure the codec compiled by mypyc")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--calls", type=int, default=250)
    options = parser.parse_args()
    for subject in SUBJECTS:
        best = measure(subject, options.rounds, options.calls)
        print(f"{subject.name + ', ns':<22}{'encode':>8}{'decode':>8}{'x protobuf':>14}")
        for name in dict.fromkeys(name for name, _ in best):
            encode, decode = best[name, "encode"], best[name, "decode"]
            factors = f"{best['protobuf', 'encode'] / encode:.2f} / {best['protobuf', 'decode'] / decode:.2f}"
            print(f"{name:<22}{encode:>8.0f}{decode:>8.0f}{factors:>14}")
    encode, decode = measure_bridge(options.rounds, options.calls)
    form = "compiled" if is_compiled() else "interpreted"
    print(f"{form} protobuf, x bridge, a message that is there already: {encode:.2f} / {decode:.2f}", flush=True)
    if options.compile and not is_compiled():
        run_compiled([f"--rounds={options.rounds}", f"--calls={options.calls}"])


if __name__ == "__main__":
    main()
