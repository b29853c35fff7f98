"""What the book takes from outside docs/: pages of the project's root, and files that pages link to, as they are.

Pages link to each other as files of the repository, so that they can be read there too. Here such a link is made one
of the book.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "project/architecture.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
}
"""Pages outside docs/, and where they are in the book."""

WITH_INHERITED: Final = ("reference/blocking.md", "reference/client.md", "reference/transports.md")
"""Pages of classes whose members stand in a base class that is not public."""

_ENTRY: Final = re.compile(r"^::: .+$", re.MULTILINE)
_INFO: Final = re.compile(r"^```(\w+) .+$", re.MULTILINE)
"""The line above a block that tests know by a name, which is nothing that MkDocs knows."""
_LINK: Final = re.compile(r"\]\((?![a-z]+:)([\w./-]+)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the pages of the root, and what any page links to outside docs/."""
    for repository, book in PAGES.items():
        files.append(File.generated(config, book, abs_src_path=str(ROOT / repository)))
    for page in list(files.documentation_pages()):
        for target in _targets(page.content_string, _place(page.src_uri)):
            source = _in_book(target)
            if source.startswith("source/") and source not in files.src_uris and (ROOT / target).is_file():
                files.append(File.generated(config, source, content=(ROOT / target).read_bytes()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leads links between files of the repository to where those are in the book."""
    here = page.file.src_uri
    place = _place(here)

    def led(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(place), match[1]))
        return "](" + posixpath.relpath(_in_book(target), posixpath.dirname(here) or ".")

    markdown = _INFO.sub(r"```\1", _LINK.sub(led, markdown))
    if here in WITH_INHERITED:
        # Where each entry stands, options would be a paragraph of their own to who formats the page.
        markdown = _ENTRY.sub(lambda entry: f"{entry[0]}\n    options:\n      inherited_members: true", markdown)
    return markdown


def _targets(markdown: str, place: str) -> Iterator[str]:
    """The files of the repository that a page links to."""
    for link in _LINK.findall(markdown):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(place), link))


def _place(book: str) -> str:
    """Where a page of the book is in the repository."""
    outside = {there: repository for repository, there in PAGES.items()}
    return outside.get(book, f"docs/{book}")


def _in_book(repository: str) -> str:
    """Where a file of the repository is in the book."""
    if repository in PAGES:
        return PAGES[repository]
    return repository.removeprefix("docs/") if repository.startswith("docs/") else f"source/{repository}.txt"
