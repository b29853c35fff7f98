"""The facts of another time, to compare today's with: those of a lock, a descriptor set, or a revision in git."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from eventflux_codegen.breaking import Change, Facts
from eventflux_codegen.descriptor_set import arrange, own_files, read_descriptor_set, verify
from eventflux_codegen.error import GenerationError, Place
from eventflux_codegen.lock import idl_facts, list_changes, read_lock
from eventflux_codegen.order import Order
from eventflux_codegen.pipeline import state_of
from eventflux_codegen.proto_files import literal_part
from eventflux_codegen.schema import Schema

__all__ = ["breaking_changes"]

_PLACE: Final = Place("--against")


def breaking_changes(order: Order, against: str) -> list[Change]:
    """The changes that break peers which know the IDL as it was.

    Args:
        order: today's IDL.
        against: a lock, a descriptor set, or a revision of the git repository in which the IDL lies.

    Raises:
        GenerationError: the sources of either time are wrong, or not there.
    """
    facts, schema = state_of(order)
    return list_changes(Path(against), _facts_of(order, against), facts, schema)


def _facts_of(order: Order, against: str) -> Facts:
    path = Path(against)
    if path.is_dir():
        raise GenerationError(f"{against} is a directory: name a lock, a descriptor set or a git revision", _PLACE)
    if not path.is_file():
        return _facts_in_git(order, against)
    if path.read_bytes().lstrip()[:1] == b"{":
        return read_lock(path)
    descriptors = read_descriptor_set(path, _PLACE)
    own = own_files(descriptors)
    arranged = arrange(descriptors, own)
    verify(arranged, Place(against))
    return idl_facts(Schema.of(arranged, (), own))  # which has no layouts: the YAML alone knows those


def _facts_in_git(order: Order, revision: str) -> Facts:
    """The facts as they were: the YAML of then, or today's arguments, with the .proto files of then."""
    home = _home_of(order)
    found = _git(home, ["rev-parse", "--show-toplevel"])
    if found is None:
        raise GenerationError(f"{revision} is no file, and {home} is in no git repository", _PLACE)
    root = Path(found.strip()).resolve()
    if _git(home, ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]) is None:
        raise GenerationError(f"{revision} is neither a file nor a git revision of {root}", _PLACE)
    with tempfile.TemporaryDirectory() as scratch:
        tree = _Tree(root, Path(scratch, "tree").resolve(), revision)
        try:
            facts, _ = state_of(_order_in(order, tree))
        except GenerationError as error:
            raise tree.named(error) from None
    return facts


@dataclass(frozen=True, slots=True)
class _Tree:
    """Files of a revision, taken out of a repository into a directory of their own."""

    root: Path
    """The repository's working tree."""
    folder: Path
    revision: str

    def moved(self, path: Path) -> Path:
        """Where a file of the repository lies here; files of other places stay where they are."""
        full = path.resolve()
        return self.folder / full.relative_to(self.root) if full.is_relative_to(self.root) else path

    def take(self, path: Path) -> None:
        """Takes out a file, or the .proto files below a directory; what the revision lacks is left out."""
        full = path.resolve()
        if not full.is_relative_to(self.root):
            return
        name = full.relative_to(self.root).as_posix()
        below = "**/*.proto" if name == "." else f"{name}/**/*.proto"
        wanted = f":(top,literal){name}" if path.is_file() else f":(top,glob){below}"
        git = (_git(self.root, ["rev-parse", "--absolute-git-dir"]) or "").strip()
        self.folder.mkdir(exist_ok=True)
        arguments = [f"--git-dir={git}", "--work-tree=.", "checkout", "--quiet", self.revision, "--", wanted]
        _git(self.folder, arguments, {"GIT_INDEX_FILE": str(self.folder.parent / "index")})

    def back(self, path: Path) -> Path:
        """The file of the repository that lies here at a path."""
        full = Path(os.path.normpath(path.absolute()))
        return self.root / full.relative_to(self.folder) if full.is_relative_to(self.folder) else path

    def named(self, error: GenerationError) -> GenerationError:
        """The same error, with its file named as git names files of a revision."""
        file = error.place.file.replace(f"{self.folder}{os.sep}", f"{self.revision}:")
        message = str(error).removeprefix(f"{error.place}: ").replace(f"{self.folder}{os.sep}", f"{self.revision}:")
        return GenerationError(message, Place(file, error.place.line))


def _order_in(order: Order, tree: _Tree) -> Order:
    """The same order, of the sources of then."""
    if order.paths:
        for name in (*order.paths, *order.include):
            tree.take(_home_of_path(name))
        paths = [str(tree.moved(Path(name))) for name in order.paths]
        beside = [str(tree.moved(Path(name))) for name in order.include]
        options = order.options
        return Order.of_paths(paths, options.package, beside, ".", tree=options.tree, extern=options.extern)
    config = Path(order.places().file)
    tree.take(config)
    old = Order.of_yaml(tree.moved(config))
    folders = [tree.back(old.folder / path) for path in old.options.include]
    for path in folders:
        tree.take(path)
        tree.moved(path).mkdir(parents=True, exist_ok=True)
    if old.options.descriptor_set is not None:
        tree.take(tree.back(old.folder / old.options.descriptor_set))
    include = tuple(str(tree.moved(path).resolve()) for path in folders)
    return replace(old, options=replace(old.options, include=include))


def _home_of(order: Order) -> Path:
    """A directory of the sources."""
    if order.paths:
        home = _home_of_path(order.paths[0]).resolve()
        return home if home.is_dir() else home.parent
    return Path(order.places().file).resolve().parent


def _home_of_path(name: str) -> Path:
    """The directory that a .proto file's imports may lie in, or that of a pattern; a descriptor set stands alone."""
    path = Path(name)
    if path.is_dir() or (path.is_file() and path.suffix != ".proto"):
        return path
    return path.parent if path.is_file() else Path(literal_part(name))


def _git(folder: Path, arguments: Sequence[str], environment: dict[str, str] | None = None) -> str | None:
    """What git says; None if it fails."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env={**os.environ, **(environment or {})},
        )
    except FileNotFoundError:
        raise GenerationError("comparing with a revision needs git: install it, or name a file", _PLACE) from None
    return done.stdout if done.returncode == 0 else None
