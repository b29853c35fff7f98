"""What every test shares: event loops, hypothesis' settings, and the surroundings of a program in the foreground."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import zlib
from typing import Any, Final

import hypothesis
import pytest
import uvloop

from eventflux_runtime.net.limited_log import LimitedLog

BACKENDS: Final = [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True}), ("trio", {})]
BACKEND_IDS: Final = ["asyncio", "uvloop", "trio"]

EXAMPLES: Final = 10
"""Of each property: hypothesis' own number is 100, and most properties are tried in both forms, each time anew."""

hypothesis.settings.register_profile("project", deadline=None, print_blob=True, max_examples=EXAMPLES)
hypothesis.settings.load_profile("project")


def take_signals() -> None:
    """Lets this process and its children be stopped by signals, whatever who started it ignores or blocks.

    A shell without job control has the programs that it puts into the background ignore SIGINT, and so does ``nohup``
    with SIGHUP; children inherit that, and tests stop some of theirs by signals.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


take_signals()
for _name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "CLICOLOR_FORCE"):
    os.environ.pop(_name, None)  # tests compare what commands print


def hear_grpcio_out(loop_class: type[asyncio.AbstractEventLoop]) -> None:
    """Lets grpcio tell a loop that is closed of an operation's end, which is then nobody's business.

    grpc.aio completes the operations of every loop of the process in whichever loop reads its poller's socket next. An
    operation that was cut off may end after its own loop; "Event loop is closed" is raised then within another test.
    """
    plain: Any = loop_class.call_soon_threadsafe

    def call_soon_threadsafe(loop: asyncio.AbstractEventLoop, callback: Any, *args: Any, context: Any = None) -> Any:
        if loop.is_closed() and getattr(callback, "__name__", "") == "_handle_callback_wrapper":
            return None
        return plain(loop, callback, *args, context=context)

    setattr(loop_class, "call_soon_threadsafe", call_soon_threadsafe)  # noqa: B010 - a method may not be assigned to


hear_grpcio_out(asyncio.BaseEventLoop)
hear_grpcio_out(uvloop.Loop)


FULL_MATRIX = "--full-matrix"
WIRES_OF_A_TEST: Final = 2
"""What is above the wires is the same for all of them; what differs, the scenarios see on each."""
ABOUT_LOOPS: Final = ("tests/carrier/", "tests/net/")
"""Where asyncio and uvloop are not the same to what is tested."""


def pytest_collection_finish() -> None:
    """Leaves what was imported and collected out of every later collection of garbage, which tests ask for often."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option for whoever has the time."""
    parser.addoption(
        FULL_MATRIX, action="store_true", help="run each test on each wire and each event loop, and long ones"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test that runs on several wires and event loops, takes as many pairs as show each wire and each loop.

    A fault lies in a wire or in a loop's driver, so a test meets it without the full product; and over all tests each
    wire meets each loop. Of more than `WIRES_OF_A_TEST` wires a test takes so many, others than its neighbours. It runs
    on trio, and on one of asyncio and uvloop, which are two forms of one interface; on both in `ABOUT_LOOPS`. A test
    that is about wires and loops has the marker ``full_matrix``, and runs on all of them. A test that is marked
    ``slow``, such as one that starts processes, takes one pair, or one event loop if it has no wire. What costs much
    and shows what rarely changes has the marker ``long``, and is left out too.
    """
    _skip_missing(items)
    if any("[" in argument for argument in config.args):
        return
    groups: dict[str, tuple[list[str], list[str]]] = {}
    takes_all: bool = config.getoption(FULL_MATRIX)
    held = [item for item in items if _is_held(item) and (takes_all or item.get_closest_marker("long") is None)]
    for item in held:
        pair = _pair(item)
        if pair is not None:
            for known, name in zip(groups.setdefault(_without_pair(item), ([], [])), pair, strict=True):
                if name not in known:
                    known.append(name)
    kept: list[pytest.Item] = []
    for item in held:
        pair = None if takes_all else _pair(item)
        if pair is None or pair in _pairs(item, *groups[_without_pair(item)]):
            kept.append(item)
    if len(kept) < len(items):
        taken = set(kept)
        config.hook.pytest_deselected(items=[item for item in items if item not in taken])
        items[:] = kept


def _skip_missing(items: list[pytest.Item]) -> None:
    """Skips each test on a wire for which this machine lacks something, and says what."""
    for item in items:
        wire, _ = _wire_and_loop(item)
        if wire is not None and (reason := _why_missing(wire)):
            item.add_marker(pytest.mark.skip(reason=reason))


def _why_missing(wire: str) -> str:
    from tests.support.wires import why_missing

    return why_missing(wire)


def _is_held(item: pytest.Item) -> bool:
    """Whether the wire of a test, where it has one, is to hold it on its event loop."""
    wire, loop = _wire_and_loop(item)
    return wire is None or _can_hold(wire, loop, item)


def _can_hold(wire: str, loop: str | None, item: pytest.Item) -> bool:
    from tests.support.engine import can_hold

    return not wire or can_hold(wire, loop, getattr(item, "originalname", None) or item.name)


def _wire_and_loop(item: pytest.Item) -> tuple[str | None, str | None]:
    spec = getattr(item, "callspec", None)
    if spec is None:
        return None, None
    wire, loop = spec.params.get("wire"), spec.params.get("loop")
    backend = spec.params.get("anyio_backend", spec.params.get("backend"))
    if loop not in BACKEND_IDS:  # a test that starts a process names the loop of that; its own is always the same
        loop = BACKEND_IDS[BACKENDS.index(backend)] if backend in BACKENDS else backend
    return wire if isinstance(wire, str) else None, loop if loop in BACKEND_IDS else None


def _pair(item: pytest.Item) -> tuple[str, str] | None:
    """The wire, if there is one, and the event loop of a test; None: it has no loop, or runs on every pair."""
    wire, loop = _wire_and_loop(item)
    if loop is None or item.get_closest_marker("full_matrix") is not None:
        return None
    return wire or "", loop


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


def _without_pair(item: pytest.Item) -> str:
    name, _, parameters = item.nodeid.partition("[")
    wire = getattr(item, "callspec").params.get("wire")  # noqa: B009 - plain items have none
    return name + "-".join(part for part in parameters.rstrip("]").split("-") if part not in (wire, *BACKEND_IDS))


def _pairs(item: pytest.Item, wires: list[str], loops: list[str]) -> set[tuple[str, str]]:
    """Each of some wires and each loop at least once; from a start that differs from test to test and stays its own."""
    start = zlib.crc32(_without_pair(item).encode())
    if not item.nodeid.startswith(ABOUT_LOOPS) and {"asyncio", "uvloop"} <= set(loops):
        left_out = ("asyncio", "uvloop")[start.bit_count() % 2]  # no part of what chooses wires
        loops = [loop for loop in loops if loop != left_out]
    most = 1 if _is_slow(item) else WIRES_OF_A_TEST
    if len(wires) > most:
        first = start // len(loops) % len(wires)
        wires = (wires[first:] + wires[:first])[:most]
    pairs: set[tuple[str, str]] = set()
    for k in range(1 if most == 1 else max(len(wires), len(loops))):
        wire, loop = wires[k % len(wires)], loops[(start + k) % len(loops)]
        if _can_hold(wire, loop, item):
            pairs.add((wire, loop))
        else:  # in its place one for the wire, and one for the loop
            pairs.add((wire, next(other for other in loops if _can_hold(wire, other, item))))
            pairs.update([(other, loop) for other in wires if _can_hold(other, loop, item)][:1])
    return pairs


_COUNTING_LOGS: Final = (
    ("eventflux_runtime.client.pool.pool", "_log"),
    ("eventflux_runtime.net.client_log", "CLIENT_LOG"),
    ("eventflux_runtime.net.reactor", "_log"),
    ("eventflux_runtime.net.wheel", "_log"),
    ("eventflux_runtime.otel.propagation", "_log"),
    ("eventflux_runtime.protocol.driver.session", "_log"),
    ("eventflux_runtime.rpc.call_observer", "_log"),
    ("eventflux_runtime.rpc.declared_error", "_log"),
    ("eventflux_runtime.rpc.status_part", "_log"),
)
"""The logs that count their lines for the whole process, and what holds them."""


def pytest_runtest_setup() -> None:
    """Has each test begin with no line of log counted, so that none is left out because of what others have logged."""
    for module, name in _COUNTING_LOGS:
        if module in sys.modules:
            log = getattr(sys.modules[module], name)
            (log._kinds if isinstance(log, LimitedLog) else log._counts).clear()


def pytest_configure(config: pytest.Config) -> None:
    """Runs in the project's folder, wherever it was started: children import the tests from there."""
    os.chdir(config.rootpath)


@pytest.fixture(params=BACKENDS, ids=BACKEND_IDS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Each event loop in turn; an async test, or one that uses this fixture, runs on all three."""
    backend: tuple[str, dict[str, Any]] = request.param
    return backend
