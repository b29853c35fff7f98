"""Renders the model of a package into the text of its modules, formatted as the linter wants them."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from ruff import find_ruff_bin

from eventflux_codegen.codec_source import build_codecs
from eventflux_codegen.json_source import build_json_tables
from eventflux_codegen.package import Package
from eventflux_codegen.part import parts_of
from eventflux_codegen.protobuf_source import build_protobuf_codecs

__all__ = ["format_modules", "render", "render_unformatted"]

_MODULES: Final = ("__init__.py", "__init__.pyi", "idl_names.py")
_PART_MODULES: Final = ("codec", "json_fields", "protobuf")
_SERVICE_MODULES: Final = ("blocking.py", "client.py", "methods.py", "service.py")
_STYLE: Final = ("--line-length=120", "--target-version=py311")


def render(package: Package) -> dict[str, str]:
    """The modules of the package, by file name."""
    return format_modules(render_unformatted(package))


def render_unformatted(package: Package) -> dict[str, str]:
    """The modules of the package as their templates give them."""
    environment = _environment(tuple(addition.package for addition in package.additions))
    modules = (*_MODULES, *_SERVICE_MODULES) if package.services else _MODULES
    modules = (*modules, "errors.py") if package.errors else modules
    seen = {"package": package}
    texts = {name: environment.get_template(f"{name}.j2").render(seen) for name in modules}
    texts |= _parts(package, environment)
    for own in package.message_modules:
        texts[f"{own.name}.py"] = environment.get_template("messages.py.j2").render(seen, own=own)
    if "messages.py" not in texts:
        texts["messages.py"] = environment.get_template("all_messages.py.j2").render(seen)
    for addition in package.additions:
        for module in addition.modules:
            template = environment.get_template(f"{module.name}.py.j2")
            texts[f"{module.name}.py"] = template.render(seen, own=addition.model, module=module)
    return texts


def _parts(package: Package, environment: Environment) -> dict[str, str]:
    """The codecs and the tables for JSON: a module of each beside each module of messages."""
    parts = parts_of(package)
    codecs, protobufs = build_codecs(parts), build_protobuf_codecs(parts)
    texts = {}
    for codec, protobuf, json_tables in zip(codecs, protobufs, build_json_tables(parts), strict=True):
        seen = {"package": package, "codec": codec, "protobuf": protobuf, "json": json_tables}
        for name in _PART_MODULES:
            texts[f"{name}{codec.part.suffix}.py"] = environment.get_template(f"{name}.py.j2").render(seen)
    if len(parts) > 1:
        template = environment.get_template("all_functions.py.j2")
        homes = [(f"codec{each.part.suffix}", each.names) for each in codecs]
        texts["codec.py"] = template.render(package=package, whose="The wire layouts", homes=homes)
        homes = [(f"protobuf{each.part.suffix}", each.names) for each in protobufs]
        texts["protobuf.py"] = template.render(package=package, whose="Protobuf's encoding", homes=homes)
    return texts


@cache
def _environment(extensions: tuple[str, ...]) -> Environment:
    """The templates, ours and those of packages that extend the generator; it takes long to compile them."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(folder) for folder in ("eventflux_codegen", *extensions)]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["quoted"] = json.dumps
    return environment


def format_modules(texts: dict[str, str]) -> dict[str, str]:
    """All modules as ruff formats them; its configuration in this or any directory has no say."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, text in texts.items():
            # The formatter leaves two empty lines where it finds more, but one at the least where it finds any.
            Path(scratch, name).parent.mkdir(parents=True, exist_ok=True)
            Path(scratch, name).write_bytes(re.sub(r"\n{4,}", "\n\n\n", text).encode())
        command = [find_ruff_bin(), "format", "--isolated", "--no-cache", *_STYLE, scratch]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
        if done.returncode != 0:
            raise RuntimeError(f"a template does not render Python: {done.stderr}")
        return {name: Path(scratch, name).read_bytes().decode() for name in texts}
