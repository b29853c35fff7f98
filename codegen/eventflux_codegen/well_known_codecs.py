"""Protobuf's well-known types: which of them the runtime has, and the code that it has for them.

    python -m eventflux_codegen.well_known_codecs RUNTIME           write the codecs below the runtime's folder
    python -m eventflux_codegen.well_known_codecs --check RUNTIME   only say whether they are what would be written

The classes are written by hand. Their codecs are made of protobuf's own files, as those of any package are.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from eventflux_codegen.compiler import compile_protos
from eventflux_codegen.enumeration import build_enums
from eventflux_codegen.foreign import Names
from eventflux_codegen.message import build_messages
from eventflux_codegen.message_module import split
from eventflux_codegen.names import ClassNames
from eventflux_codegen.options import Options
from eventflux_codegen.package import Package
from eventflux_codegen.render import format_modules, render_unformatted
from eventflux_codegen.schema import Schema
from eventflux_codegen.shared import HOME, PROVIDED
from eventflux_codegen.yaml_source import Places

__all__ = ["main", "well_known_codecs"]

_OWN_FOLDER: Final = "well_known"
"""Where the files are put, so that they count as the package's own."""
_BY_HAND: Final = "google/protobuf/struct.proto"


def well_known_codecs() -> dict[str, str]:
    """The text of the runtime's codecs of protobuf's messages, by the name of the module's file."""
    protos = sorted(PROVIDED - {_BY_HAND})
    include = [Path(str(files("grpc_tools") / "_proto"))]
    options, places = Options(package=HOME, protos=tuple(protos)), Places(HOME)
    descriptors = compile_protos(protos, include, places)
    for file in descriptors.file:
        file.name = _moved(file.name)
        file.dependency[:] = [_moved(name) for name in file.dependency]
    schema = Schema.of(descriptors, include, [file.name for file in descriptors.file])
    names = ClassNames.of(schema, options, places)
    enums = build_enums(schema, options, places, names)
    modules = {_moved(name): _pb_module(name) for name in protos}
    messages = build_messages(schema, options, places, names, enums, modules, is_public=True)
    package = Package(
        name=HOME,
        sources=tuple(protos),
        contract=0,
        enums=tuple(enums.values()),
        messages=tuple(messages.values()),
        services=(),
        errors=(),
        message_modules=split(enums, messages, (), ()),
        pb_modules=(),
        names=Names(HOME, {}, {}, {}, {}),
    )
    texts = render_unformatted(package)
    return format_modules({name: texts[name] for name in ("codec.py", "protobuf.py")})


def _moved(name: str) -> str:
    return f"{_OWN_FOLDER}/{name.rpartition('/')[2]}"


def _pb_module(name: str) -> tuple[str, str, str]:
    stem = name.rpartition("/")[2].removesuffix(".proto")
    return "google.protobuf", f"{stem}_pb2", f"{stem}_pb2"


def main(arguments: Sequence[str]) -> int:
    """Writes the codecs, or compares them; the exit code is 1 where they differ."""
    is_checking = "--check" in arguments
    folders = [argument for argument in arguments if argument != "--check"]
    if len(folders) != 1 or not Path(folders[0], *HOME.split(".")[1:]).is_dir():
        usage = "python -m eventflux_codegen.well_known_codecs [--check] runtime/eventflux_runtime"
        print(f"usage: {usage}", file=sys.stderr)
        return 2
    home = Path(folders[0], *HOME.split(".")[1:])
    changed = {name: text for name, text in well_known_codecs().items() if (home / name).read_bytes() != text.encode()}
    for name, text in changed.items():
        print(f"{home / name} {'is not what the generator makes' if is_checking else 'written'}")
        if not is_checking:
            (home / name).write_bytes(text.encode())
    return 1 if is_checking and changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
