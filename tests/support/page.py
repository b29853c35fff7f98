"""A page of the documentation as its fenced blocks, and the folder that they make."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PAIR: Final = '<div class="side-by-side"'
_NAME: Final = re.compile(r"(?:#|//) ([\w./-]+\.\w+)\n")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    language: str
    text: str
    pair: int = 0
    """Which of the page's pairs of programs that do the same it belongs to, from 1; 0: none."""

    @property
    def name(self) -> str | None:
        """The file that its first line names; None: it names none."""
        found = _NAME.match(self.text)
        return None if found is None else found[1]

    @property
    def commands(self) -> list[str]:
        """The lines of a shell block, without their comments."""
        lines = [line.partition(" #")[0].strip() for line in self.text.splitlines()]
        return [line for line in lines if line]

    def write(self, folder: Path) -> Path:
        """Makes the file that it names."""
        assert self.name is not None, f"{self}: the first line has to name the file"
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text, "utf-8")
        return path

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str) -> list[Block]:
    """The fenced blocks of a page, which is named from the project's folder, in their order."""
    text = (ROOT / page).read_text("utf-8")
    blocks = []
    for found in _BLOCK.finditer(text):
        before = text[: found.start()]
        pairs = before.count(_PAIR)
        is_in_pair = pairs > before.count("</div>")
        blocks.append(Block(page, before.count("\n") + 1, found[1], found[2], pairs if is_in_pair else 0))
    return blocks


def expected_output(blocks: list[Block], number: int) -> str | None:
    """What the page shows as the output of a block: of a pair, it stands behind both. None: nothing."""
    block = blocks[number]
    behind = [after for after in blocks[number + 1 :] if not block.pair or after.pair != block.pair]
    return behind[0].text if behind and behind[0].language == "text" and block.language != "text" else None


def timeless(text: str) -> str:
    """What a program printed, without how long it took."""
    return re.sub(r"in \d+\.\d+s", "in …s", text)
