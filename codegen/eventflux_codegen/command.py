"""What the commands of `eventflux-codegen` do, and what they print."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from eventflux_codegen.error import COMMAND_LINE, GenerationError, Place
from eventflux_codegen.generator import check, check_tools, generate

if TYPE_CHECKING:
    from eventflux_codegen.order import Order

__all__ = [
    "DEFAULT_CONFIG",
    "DONE",
    "FOUND",
    "LANGUAGES",
    "MISTAKEN",
    "breaking",
    "check_package",
    "compile_package",
    "generate_package",
    "init",
    "order_of",
    "said",
    "schema",
]

DONE: Final = 0
FOUND: Final = 1
MISTAKEN: Final = 2
"""Exit codes."""
DEFAULT_CONFIG: Final = "idl/transport.yaml"
LANGUAGES: Final = {"typescript": "TypeScript"}
"""What else can be generated: the sections of options, and what people call the languages."""
_ARGUMENTS: Final = Place(COMMAND_LINE)


def generate_package(options: argparse.Namespace) -> int:
    """Writes the package, once or whenever a source changes."""
    if options.watch:
        return _watch(options)
    result = generate(order_of(options), output=options.output, accept_breaking=options.accept_breaking)
    for name in result.written:
        print(f"wrote {name}")
    for name in result.removed:
        print(f"removed {name}")
    if not result.written and not result.removed:
        print(f"{result.output}: up to date")
    return DONE


def check_package(options: argparse.Namespace) -> int:
    """Compares the package with what would be generated."""
    result = check(order_of(options), output=options.output)
    if result.is_current:
        print(f"{result.output}: up to date")
        return DONE
    print(result.diff, end="")
    found = {"differs": result.changed, "is missing": result.missing, "is extra": result.extra}
    for what, names in found.items():
        for name in names:
            print(f"eventflux-codegen: {result.output}: {name} {what}", file=sys.stderr)
    print(f"eventflux-codegen: run eventflux-codegen generate {_sources(options)}", file=sys.stderr)
    return FOUND


def breaking(options: argparse.Namespace) -> int:
    """Lists the changes that break peers, a line each."""
    order = order_of(options)
    from eventflux_codegen.against import breaking_changes  # noqa: PLC0415 - it needs what `order_of` looked for

    changes = breaking_changes(order, options.against)
    for change in changes:
        print(f"{change.place or options.against}: {change}")
    if not changes:
        print(f"nothing breaks peers since {options.against}")
    return FOUND if changes else DONE


def init(options: argparse.Namespace) -> int:
    """Writes a first YAML file."""
    check_tools(_ARGUMENTS)
    from eventflux_codegen.starter import write_starter  # noqa: PLC0415 - it needs what was just looked for

    written = write_starter(Path(options.folder), options.package, Path(options.out))
    for path in written:
        print(f"wrote {path}")
    print(f"run eventflux-codegen generate --config {shlex.quote(str(written[0]))}")
    return DONE


def schema(options: argparse.Namespace) -> int:
    """Prints what the YAML may say, for programs or for people."""
    check_tools(_ARGUMENTS)
    from eventflux_codegen.option_page import page_text  # noqa: PLC0415 - it needs what was just looked for
    from eventflux_codegen.option_schema import schema_text  # noqa: PLC0415 - so does this
    from eventflux_codegen.product import FileOptions  # noqa: PLC0415 - so does this

    print((page_text if options.page else schema_text)(FileOptions), end="")
    return DONE


def compile_package(options: argparse.Namespace) -> int:
    """Compiles the hot modules of a generated package."""
    from eventflux_codegen import machine_code  # noqa: PLC0415 - only this command needs it

    target = machine_code.find_package(options.package)
    if options.wheel is not None:
        print(f"wrote {machine_code.build_wheel(target, Path(options.wheel), options.wheel_version)}")
        return DONE
    for library in machine_code.compile_in_place(target):
        print(f"wrote {library}")
    return DONE


def order_of(options: argparse.Namespace) -> Order:
    """What the arguments ask for.

    Raises:
        GenerationError: they do not go together, or what they name is wrong.
    """
    paths, config = list(options.sources), options.config
    if len(paths) == 1 and config is None and paths[0].endswith((".yaml", ".yml")):
        config = paths.pop()
    if not paths:
        if config is None and not Path(DEFAULT_CONFIG).is_file():
            message = f"no sources are named, and there is no {DEFAULT_CONFIG}"
            raise GenerationError(f"{message}: name a directory of .proto files, or a YAML file", _ARGUMENTS)
        return _order_of_yaml(options, config or DEFAULT_CONFIG)
    if config is not None:
        raise GenerationError("--config names the sources already: drop it, or the others", _ARGUMENTS)
    if options.package is None:
        raise GenerationError("--package is missing: name the Python package to generate", _ARGUMENTS)
    check_tools(_ARGUMENTS)
    from eventflux_codegen.order import Order  # noqa: PLC0415 - it needs what was just looked for

    extern = dict(_external(text) for text in options.extern)
    return Order.of_paths(
        paths,
        options.package,
        options.include,
        options.out or ".",
        tree=options.tree,
        extern=extern,
        languages=_languages(options),
    )


def _languages(options: argparse.Namespace) -> dict[str, str]:
    """The directory that each further language is to have."""
    given = {section: getattr(options, section) for section in LANGUAGES}
    return {section: folder for section, folder in given.items() if folder is not None}


def _external(text: str) -> tuple[str, str]:
    key, sign, package = text.partition("=")
    if not (key and sign and package):
        raise GenerationError(f"--extern {text} names no package: say PROTO_PACKAGE=PYTHON_PACKAGE", _ARGUMENTS)
    return key, package


def _order_of_yaml(options: argparse.Namespace, config: str) -> Order:
    given = {
        "--package": options.package,
        "--include": options.include,
        "--tree": options.tree,
        "--extern": options.extern,
        **{f"--{section}": folder for section, folder in _languages(options).items()},
    }
    for name in (name for name, value in given.items() if value):
        raise GenerationError(f"{name} goes with .proto files: {config} says it by itself", _ARGUMENTS)
    check_tools(Place(config))
    from eventflux_codegen.order import Order  # noqa: PLC0415 - it needs what was just looked for

    order = Order.of_yaml(Path(config))
    return order if options.out is None else order.into(options.out)


def _watch(options: argparse.Namespace) -> int:
    from eventflux_codegen.watch import watch  # noqa: PLC0415 - only this command needs it

    def run() -> None:
        try:
            result = generate(order_of(options), output=options.output, accept_breaking=options.accept_breaking)
        except (GenerationError, OSError) as error:
            for line in said(error):
                print(line, file=sys.stderr, flush=True)
            return
        changed = [*result.written, *(f"{name} (removed)" for name in result.removed)]
        print(f"{result.output}: {', '.join(changed) or 'up to date'}", flush=True)

    watch(run, lambda: _watched(options))
    return DONE


def _watched(options: argparse.Namespace) -> Iterator[Path]:
    """The files to look at: those of the order, or what the arguments name while they make none."""
    try:
        yield from order_of(options).watched()
    except (GenerationError, OSError):
        for name in options.sources or [options.config or DEFAULT_CONFIG]:
            path = Path(name)
            yield from [path, *(path.rglob("*.proto") if path.is_dir() else ())]


def said(error: GenerationError | OSError) -> Iterable[str]:
    """What is printed of an error, a line for each mistake."""
    if isinstance(error, OSError):
        return (f"eventflux-codegen: {error.filename}: {(error.strerror or str(error)).lower()}",)
    return tuple(f"eventflux-codegen: {line}" for line in str(error).splitlines())


def _sources(options: argparse.Namespace) -> str:
    """The arguments that name the sources, as they are to be typed again."""
    if not options.sources:
        return shlex.join(["--config", options.config or DEFAULT_CONFIG])
    named = {"--package": options.package, "--out": options.out, "--output": options.output}
    words = [*options.sources, *(word for name, value in named.items() if value for word in (name, value))]
    words += [word for folder in options.include for word in ("--include", folder)]
    words += [word for section, folder in _languages(options).items() for word in (f"--{section}", folder)]
    words += [word for external in options.extern for word in ("--extern", external)]
    return shlex.join([*words, *(["--tree"] if options.tree else [])])
