"""A package with many classes has them in several modules, each of which is loaded without most others, codecs too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eventflux_codegen.message_module import MessageModule
from tests.support.workspace import CONFIG, Workspace

COUNT = 130


def proto_of(count: int) -> str:
    """Messages that use the one of half their number, and an enum each ten; the last two use each other."""
    messages = [
        f"message M{number} {{ M{number // 2} half = 1; Kind{number // 10} Kind{number // 10} = 2; "
        f"oneof choice {{ M{number // 2} one = 3; int32 other = 4; }} map<string, M{number // 3}> by_name = 5; }}"
        for number in range(count)
    ]
    enums = [f"enum Kind{number} {{ KIND{number}_NONE = 0; }}" for number in range(count // 10)]
    cycle = "message Left { Right right = 1; } message Right { Left left = 1; }"
    return "\n".join(['syntax = "proto3";', *messages, *enums, cycle, "service S { rpc Do(M7) returns (M9); }"])


def modules_of(tmp_path: Path, proto: str) -> tuple[MessageModule, ...]:
    workspace = Workspace(tmp_path)
    workspace.write(config=CONFIG, proto=proto)
    return workspace.facts()[2].message_modules


def test_a_package_of_usual_size_has_one_module(tmp_path: Path) -> None:
    (module,) = modules_of(tmp_path, proto_of(80))
    assert (module.name, module.imports, len(module.messages), len(module.enums)) == ("messages", (), 82, 8)


def test_each_module_imports_only_earlier_ones_and_all_that_it_needs(tmp_path: Path) -> None:
    modules = modules_of(tmp_path, proto_of(COUNT))
    assert sum(len(module.messages) for module in modules) == COUNT + 2
    assert all(len(module.messages) + len(module.enums) <= 25 for module in modules)
    homes: dict[str, str] = {}
    for module in modules:
        own = {message.name for message in module.messages} | {enum.name for enum in module.enums}
        imported = {name for home, names in module.imports for name in names if homes[name] == home}
        assert imported == {name for _, names in module.imports for name in names}
        values = [value for message in module.messages for field in message.fields for value in (field.value,) if value]
        assert {value.annotation for value in values if value.full_name} <= own | imported
        homes |= dict.fromkeys(own, module.name)
    assert homes["Left"] == homes["Right"]


@pytest.mark.slow
@pytest.mark.long
def test_importing_one_message_does_not_load_them_all(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(config=CONFIG, proto=proto_of(COUNT))
    workspace.generate()
    program = """
import sys, typing
from sample import M7, Kind0
def loaded():
    return sorted(name.partition(".")[2] for name in sys.modules if name.startswith("sample."))
assert loaded() == ["messages_1"], loaded()
for way in ("wire", "protobuf", "json"):
    assert getattr(M7, f"from_{way}")(getattr(M7(), f"to_{way}")()) == M7(), way
assert loaded() == ["codec_1", "json_fields_1", "messages_1", "protobuf_1"], loaded()
from sample import SClient
assert "messages" not in loaded() and "messages_6" not in loaded(), loaded()
from eventflux_runtime.well_known import Any
packed = Any.from_json('{"@type": "x/M128", "half": {}}')  # of a class that nothing has asked for yet
assert packed.value == bytes([10, 0]) and "codec" in loaded() and "protobuf" not in loaded(), loaded()
from sample import M129, M99, M99ChoiceOne, Kind9, SClient, Left, Right
import sample.messages
assert sample.messages.M7 is M7 and typing.get_type_hints(M99)["Kind9"] is Kind9
m = M99(half=M129().half, choice=M99ChoiceOne(sample.M49()), Kind9=Kind9.NONE, by_name={"a": sample.M33()})
for way in ("wire", "protobuf", "json", "proto"):
    assert getattr(M99, f"from_{way}")(getattr(m, f"to_{way}")()) == m, way
assert Left.from_wire(Left(right=Right(left=Left())).to_wire()).right.left == Left()
import sample.codec, sample.protobuf
assert sample.codec.encode_m7 and sample.protobuf.decode_left_protobuf
print(len(sample.__all__))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert int(done.stdout) == COUNT * 4 + COUNT // 10 + 3 + 2
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir=/dev/null", "-p", "sample"]
    typed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert typed.stdout.startswith("Success"), typed.stdout
