"""What generating a package takes, beside what protoc takes for its own modules: ``python -m benchmarks.generate``.

Both start a Python of their own and write the same .proto file's code; protoc makes ``_pb2``, their stubs, and grpcio's
stubs. The last rows say what a program loads of a package of a thousand messages that uses one of them.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

_SIZES: Final = (1_000, 3_000)
_MESSAGE: Final = """\
// The message {index}. It has text behind its first sentence.
message M{index} {{
  // A name.
  string name = 1;
  int32 count = 2;
  repeated string tags = 3;
  map<string, int64> sizes = 4;
  Kind{kind} kind = 5;
  {parent}
  oneof choice {{ string text = 7; bytes blob = 8; }}
  optional double ratio = 9;
}}
"""
_ENUM: Final = "enum Kind{index} {{ KIND{index}_NONE = 0; KIND{index}_ONE = 1; KIND{index}_FIVE = 5; }}\n"
_SERVICE: Final = """\
service S{index} {{
  rpc Get(M{index}) returns (M{other});
  rpc List(M{index}) returns (stream M{index});
}}
"""
_LOADED: Final = """
import sys, time
import eventflux_runtime.codegen_api as runtime
runtime.Message, runtime.OpenEnum
started = time.perf_counter()
{statement}
elapsed = time.perf_counter() - started
modules = [vars(module).values() for name, module in list(sys.modules.items()) if name.startswith("big")]
kinds = {{kind for values in modules for kind in values if isinstance(kind, type)}}
print(elapsed, sum(issubclass(kind, runtime.Message) for kind in kinds))
"""


_STATEMENTS: Final = (
    "import big",
    "from big import M7",
    "from big import M7; M7().to_wire()",
    "from big import M7; M7().to_protobuf()",
    "from big import M7; M7().to_json()",
    "from big import M999",
    "from big import S0Client",
    "import big.messages",
)


def proto_of(count: int) -> str:
    """A .proto file of so many messages, a tenth as many enums and a twentieth as many services."""
    messages = (
        _MESSAGE.format(index=index, kind=index % (count // 10), parent=f"M{index // 2} parent = 6;" if index else "")
        for index in range(count)
    )
    enums = (_ENUM.format(index=index) for index in range(count // 10))
    services = (_SERVICE.format(index=index, other=index * 2) for index in range(count // 20))
    return "".join(['syntax = "proto3";\npackage big;\n', *messages, *enums, *services])


def run_s(*arguments: str) -> float:
    """Seconds that a module of Python takes, its start included."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def protoc_s(folder: Path) -> float:
    """Seconds that protoc takes for its own modules."""
    out = Path(tempfile.mkdtemp(dir=folder))
    plugins = [f"--{plugin}_out={out}" for plugin in ("python", "pyi", "grpc_python")]
    return run_s("grpc_tools.protoc", f"-I{folder}", *plugins, "big.proto")


def generate_s(folder: Path) -> float:
    """Seconds that we take for a package that is not there yet."""
    out = tempfile.mkdtemp(dir=folder)
    return run_s("eventflux_codegen.cli", "generate", "--config", str(folder / "big.yaml"), "--output", f"{out}/big")


def loaded(folder: Path, statement: str) -> tuple[float, int]:
    """Seconds that a statement takes in a fresh process, and how many message classes it loads."""
    program = _LOADED.format(statement=statement)
    output = subprocess.check_output([sys.executable, "-c", program], text=True, cwd=folder)
    seconds, classes = output.split()
    return float(seconds), int(classes)


def main() -> None:
    """Prints medians, how they compare with protoc's, and how they grow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ours: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        for count in _SIZES:
            folder = Path(scratch, str(count))
            folder.mkdir()
            (folder / "big.proto").write_text(proto_of(count))
            (folder / "big.yaml").write_text("package: big\nprotos: [big.proto]\n")
            pairs = [(protoc_s(folder), generate_s(folder)) for _ in range(options.rounds)]
            theirs, own = (statistics.median(times) for times in zip(*pairs, strict=True))
            ours.append(own)
            print(f"{count:>6,} messages: protoc {theirs:.2f} s, we {own:.2f} s: {own / theirs:.1f} x (target: 10)")
        print(f"{ours[1] / ours[0]:.2f} x the time for {_SIZES[1] // _SIZES[0]} x the messages (target: 3.3)")
        folder = Path(scratch, str(_SIZES[0]))
        run_s("eventflux_codegen.cli", "generate", "--config", str(folder / "big.yaml"))
        for statement in _STATEMENTS:
            seconds, classes = loaded(folder, statement)
            print(f"{seconds * 1000:>6.0f} ms and {classes:>5,} classes for {statement!r}")


if __name__ == "__main__":
    main()
