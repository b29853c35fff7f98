"""What is tried with one subject of a corpus, and how it ended."""

from __future__ import annotations

import importlib
import json
import random
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format

from eventflux_codegen.error import GenerationError
from eventflux_codegen.extern import Extern
from eventflux_codegen.generator import generate
from eventflux_codegen.lock import wire_facts
from eventflux_codegen.product import FileOptions
from eventflux_codegen.render import render_unformatted
from eventflux_codegen.schema import Schema
from eventflux_codegen.tree import Plan
from eventflux_codegen.yaml_source import Places
from tests.corpora.corpus import Corpus, Subject
from tests.corpora.random_object import random_object

__all__ = ["Result", "check_object", "lint", "try_text", "try_whole"]

_OBJECTS: Final = 3
"""How many random objects of each message go through all encodings."""


@dataclass(frozen=True)
class Result:
    """How one trial ended."""

    name: str
    verdict: str
    """``passed``, ``refused`` (a message of one line), ``failed`` (anything else)."""
    text: str = ""
    messages: int = 0
    objects: int = 0


def try_text(corpus: Corpus, subject: Subject) -> Result:
    """Builds and renders the package of a subject, all but protoc's own modules, and has a linter look at it."""
    options = FileOptions(package="made", protos=subject.files, tree=subject.is_tree)
    try:
        include = [corpus.root] if corpus.root is not None else []
        schema = Schema.of(corpus.closure(subject.files), include, options.protos)
        plan = Plan.of(schema, options, Places("made.yaml"), Extern())
        packages = plan.build()
        wire_facts(schema, *packages)
        said = lint(
            {
                plan.folder(package.name) + name: text
                for package in packages
                for name, text in render_unformatted(package).items()
            }
        )
    except GenerationError as error:
        return Result(subject.name, "refused", str(error))
    except Exception:  # noqa: BLE001 - whatever is wrong with one, the others are tried
        return Result(subject.name, "failed", traceback.format_exc()[-2000:])
    if said:
        return Result(subject.name, "failed", said)
    return Result(subject.name, "passed", messages=sum(len(package.messages) for package in packages))


def lint(texts: Mapping[str, str]) -> str:
    """What is not Python in modules, or names what is not there, or imports what is not used; empty if nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, text in texts.items():
            Path(scratch, name).parent.mkdir(parents=True, exist_ok=True)
            Path(scratch, name).write_text(text, "utf-8")
        options = ["--isolated", "--no-cache", "--quiet", "--ignore-noqa", "--target-version=py311"]
        # What only texts in annotations name is of use for type checkers.
        options += ["--select=E9,F", "--per-file-ignores=messages*.py:F401", "--output-format=concise"]
        command = [sys.executable, "-m", "ruff", "check", *options, "."]
        return subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False).stdout[-2000:]


def try_whole(corpus: Corpus, subject: Subject, package: str, folder: Path) -> Result:
    """Generates the package of a subject as a user does, imports it, and sends random objects through all encodings."""
    config = folder / f"{package}.yaml"
    settings: dict[str, object] = {"package": package, "protos": subject.files, "tree": subject.is_tree}
    if corpus.root is not None:
        settings["include"] = [str(corpus.root)]
    else:
        settings["descriptor_set"] = f"{package}.bin"
        (folder / f"{package}.bin").write_bytes(corpus.closure(subject.files).SerializeToString())
    config.write_text(json.dumps(settings), "utf-8")  # which is YAML too
    try:
        generate(config)
    except GenerationError as error:
        return Result(subject.name, "refused", str(error))
    except Exception:  # noqa: BLE001 - whatever is wrong with one, the others are tried
        return Result(subject.name, "failed", traceback.format_exc()[-2000:])
    done = subprocess.run(
        [sys.executable, "-m", "tests.corpora.trial", package, str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return Result(subject.name, "failed", (done.stdout + done.stderr)[-2000:])
    messages, objects = map(int, done.stdout.split())
    return Result(subject.name, "passed", "", messages, objects)


def packages_in(package: str, folder: Path) -> list[str]:
    """The packages that have classes: the package itself, or those of a tree."""
    found = (path.parent.relative_to(folder) for path in folder.joinpath(package).rglob("idl_names.py"))
    return sorted(".".join(path.parts) for path in found)


def round_trip(package: str) -> tuple[int, int]:
    """How many messages and random objects went through all encodings of a package. Raises AssertionError."""
    messages = importlib.import_module(f"{package}.messages")
    importlib.import_module(f"{package}.codec")
    kinds = [kind for kind in vars(messages).values() if isinstance(kind, type) and "__registration__" in vars(kind)]
    source, objects = random.Random(package), 0
    for kind in kinds:
        module, _, path = vars(kind)["__registration__"].proto.partition(":")
        pb_class: Any = importlib.import_module(module)
        for part in path.split("."):
            pb_class = getattr(pb_class, part)
        for _ in range(_OBJECTS):
            check_object(kind, random_object(pb_class, source))
            objects += 1
    return len(kinds), objects


def check_object(kind: Any, proto: Any) -> None:
    """Has a class read protobuf's object, and write it again, in each encoding. Raises AssertionError."""
    data = proto.SerializeToString(deterministic=True)
    message = kind.from_protobuf(data)
    assert message.to_protobuf() == data, f"{kind.__name__}: {data.hex()} became {message.to_protobuf().hex()}"
    again = kind.from_wire(message.to_wire())  # which has no place for unknown fields
    assert again.to_protobuf() == data, f"{kind.__name__}: natively, {data.hex()} became {again.to_protobuf().hex()}"
    assert kind.from_proto(proto).to_protobuf() == data
    try:
        text = json_format.MessageToJson(proto, indent=None, ensure_ascii=False)
        parsed = json_format.Parse(text, type(proto)())  # which is not always what was printed
    except (json_format.Error, ValueError, TypeError):  # not every object of a well-known type has JSON
        return
    assert message.to_json() == text, f"{kind.__name__}: {text} became {message.to_json()}"
    assert kind.from_json(text).to_protobuf() == parsed.SerializeToString(deterministic=True), (
        f"{kind.__name__}: {text}"
    )


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[2])
    sys.pycache_prefix = tempfile.mkdtemp()
    counts = [round_trip(package) for package in packages_in(sys.argv[1], Path(sys.argv[2]))]
    print(*map(sum, zip(*counts, strict=True)))
