"""The modules of a generated package that belong to a class; a package of many classes has several of each kind."""

from __future__ import annotations

from typing import Any

__all__ = ["has_siblings", "module_of"]


def module_of(kind: type[Any], stem: str) -> str:
    """The module that has something for a generated class: ``codec_3`` where the class is in ``messages_3``."""
    package, _, module = kind.__module__.rpartition(".")
    return f"{package}.{stem}{module.removeprefix('messages') if has_siblings(kind) else ''}"


def has_siblings(kind: type[Any]) -> bool:
    """Whether the package of a generated class has several modules of messages, each with a codec of its own."""
    return kind.__module__.rpartition(".")[2].startswith("messages_")
