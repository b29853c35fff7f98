"""The tutorial, followed from an empty folder with nothing but what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.book.follower import Follower
from tests.support.page import blocks_of


@pytest.mark.slow
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    try:
        follower.follow(blocks_of("docs/tutorial/index.md"))
    finally:
        follower.stop()
