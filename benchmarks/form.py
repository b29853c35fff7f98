"""The two forms of the hot modules, interpreted and compiled, and which of them this process loads."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FORMS: Final = ("interpreted", "compiled")


def use_form(form: str) -> None:
    """Makes this process, and those it starts, load our packages in that form; to be called before they are imported.

    The compiled form is a copy of the packages in ``build/compiled``, made when the sources have changed.
    """
    if form == "compiled":
        from hatch_build import compile_into  # noqa: PLC0415 - needs hatchling, which only this form does

        folder = ROOT / "build" / "compiled"
        compile_into(folder)
        sys.path.insert(0, str(folder))
        os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
