"""Which pages are followed block by block, and what they may have their reader install."""

from __future__ import annotations

import re
import tomllib
from typing import Final

from tests.support.page import ROOT

FOLDERS: Final = ("docs/how-to", "docs/coming-from")
PAGES: Final = [
    "docs/messages.md",
    "docs/shipped-contract.md",
    *(str(path.relative_to(ROOT)) for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.md"))),
]
"""Those that tests/book/test_pages.py follows."""

_PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
_GROUPS: Final = ("compile", "interop", "tests")


def is_known_package(requirement: str) -> bool:
    """Whether tests have what `pip install` is given, with the extras that it names."""
    if _package(requirement) == "eventflux-transport":
        extras = set(filter(None, requirement.partition("[")[2].rstrip("]").split(",")))
        return extras <= set(_PROJECT["project"]["optional-dependencies"])
    return _package(requirement) in {
        _package(name) for group in _GROUPS for name in _PROJECT["dependency-groups"][group]
    }


def _package(requirement: object) -> str:
    return re.split(r"[<>=\[ ;]", str(requirement))[0]
