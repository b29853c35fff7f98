"""The form that runs is the form that was asked for, and `compiled_modules` tells it."""

from __future__ import annotations

import gc
import importlib
import os
from pathlib import Path

import pytest

import eventflux_transport
from eventflux_runtime import CallHead, compiled_modules
from eventflux_runtime.protocol.core.event import MessageSent
from eventflux_runtime.protocol.native import core
from eventflux_runtime.protocol.native.core.stream import Stream
from hatch_build import HOT, ROOT

IS_COMPILED = os.environ.get("EVENTFLUX_FORM") == "compiled"
"""Set by the session that runs the suite on a compiled wheel."""


def hot_modules() -> list[str]:
    names = []
    for pattern in HOT:
        source_root = ROOT / ("runtime" if pattern.startswith("eventflux_runtime") else "generated")
        paths = (path.relative_to(source_root) for path in source_root.glob(pattern) if path.name != "__init__.py")
        names += [".".join(path.with_suffix("").parts) for path in paths]
    return sorted(names)


def test_hot_modules_are_found() -> None:
    names = hot_modules()
    assert "eventflux_runtime.protocol.native.core.connection" in names
    assert "eventflux_transport.codec" in names


@pytest.mark.parametrize("name", hot_modules())
def test_each_hot_module_runs_in_the_form_that_was_asked_for(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    is_compiled = Path(module.__file__).suffix != ".py"
    assert is_compiled == IS_COMPILED
    assert (name in compiled_modules(name.partition(".")[0])) == IS_COMPILED


@pytest.mark.skipif(not IS_COMPILED, reason="the garbage collector knows every object of an interpreted class")
@pytest.mark.parametrize("made", [CallHead(), Stream(1, 0, 0), MessageSent(1)], ids=lambda made: type(made).__name__)
def test_what_each_call_makes_is_nothing_for_the_garbage_collector(made: object) -> None:
    assert not gc.is_tracked(made)


def test_modules_that_are_never_compiled_are_not_listed() -> None:
    assert core.__name__ not in compiled_modules()
    assert eventflux_transport.messages.__name__ not in compiled_modules("eventflux_transport")


def test_a_package_that_is_not_loaded_has_none() -> None:
    assert compiled_modules("no_such_package") == ()
