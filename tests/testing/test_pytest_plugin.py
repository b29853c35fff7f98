"""The pytest plugin, as projects of users have it: with anyio, with pytest-asyncio, and without a loop."""

from __future__ import annotations

import tomllib
from importlib.metadata import entry_points
from typing import Final

import pytest

from tests.project.import_graph import ROOT

pytest_plugins = ["pytester"]

PLUGIN: Final = "eventflux_runtime.testing.pytest_plugin"

SERVICES = """
import pytest
from eventflux_runtime import Channel, Metadata, NotFound, Unknown
from eventflux_runtime.blocking import BlockingChannel
from eventflux_runtime.testing import serve_in_memory
from inventory_sdk import GetItemRequest, InventoryBlockingClient, InventoryClient, Item
from tests.support.shop import Shop

class FaultyShop(Shop):
    async def get_item(self, request, context):
        if request.sku == "bug":
            raise LookupError("a shelf has gone")
        return await super().get_item(request, context)

@pytest.fixture
def eventflux_services():
    return [FaultyShop()]
"""
ASYNC_TESTS = """
async def test_reply(eventflux_channel):
    assert isinstance(eventflux_channel, Channel)
    assert (await InventoryClient(eventflux_channel).get_item(GetItemRequest(sku="a"))).sku == "a"

async def test_declared_failure(eventflux_channel):
    with pytest.raises(NotFound):
        await InventoryClient(eventflux_channel).get_item(GetItemRequest(sku="missing"))

async def test_bug(eventflux_channel):
    with pytest.raises(Unknown):
        await InventoryClient(eventflux_channel).get_item(GetItemRequest(sku="bug"))

@pytest.mark.eventflux_allow_errors
async def test_allowed_bug(eventflux_channel):
    with pytest.raises(Unknown):
        await InventoryClient(eventflux_channel).get_item(GetItemRequest(sku="bug"))
"""
BLOCKING_TESTS = """
def test_blocking_reply(eventflux_blocking_channel):
    assert isinstance(eventflux_blocking_channel, BlockingChannel)
    assert InventoryBlockingClient(eventflux_blocking_channel).get_item(GetItemRequest(sku="a")).sku == "a"

def test_blocking_bug(eventflux_blocking_channel):
    with pytest.raises(Unknown):
        InventoryBlockingClient(eventflux_blocking_channel).get_item(GetItemRequest(sku="bug"))

def test_wrong_fixture(eventflux_channel):
    pass
"""
STRICT = (
    f"[pytest]\npythonpath = {ROOT} {ROOT / 'tests/generated'}\naddopts = --strict-markers\nfilterwarnings = error\n"
)
SHOWN = ["*LookupError: a shelf has gone", "the server logged: the handler of /shop*"]


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Runs the tests of a user's project, in a process of their own: they load much that has to be there only once."""
    is_installed = bool(entry_points(group="pytest11", name="eventflux"))
    plugin = () if is_installed else ("-p", PLUGIN)
    return pytester.runpytest_subprocess(*plugin, "-p", "no:xdist", "-p", "no:cacheprovider", *arguments)


def test_with_anyio_and_without_an_event_loop(pytester: pytest.Pytester) -> None:
    pytester.makeini(STRICT + "anyio_mode = auto\n")
    backends = "@pytest.fixture(params=['asyncio', 'trio'])\ndef anyio_backend(request):\n    return request.param\n"
    pytester.makepyfile(
        test_some=SERVICES + backends + ASYNC_TESTS + BLOCKING_TESTS,
        test_other="def test_no_services(eventflux_blocking_channel): pass",
    )
    result = run(pytester, "-p", "no:asyncio")
    result.assert_outcomes(passed=10, errors=5)
    result.stdout.fnmatch_lines(
        [
            "*define a fixture 'eventflux_services' that returns a list of the services*",
            *SHOWN,
            *SHOWN,
            *SHOWN,
            "*takes 'eventflux_blocking_channel'*",
        ]
    )


def test_with_pytest_asyncio(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_asyncio", reason="the group of the tests has it")
    pytester.makeini(STRICT + "asyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n")
    scoped = ASYNC_TESTS.replace("test_", "test_scoped_")
    pytester.makepyfile(
        test_function=SERVICES + "pytestmark = pytest.mark.asyncio\n" + ASYNC_TESTS,
        test_module=SERVICES + "pytestmark = pytest.mark.asyncio(loop_scope='module')\n" + scoped,
    )
    result = run(pytester, "-p", "no:anyio")
    result.assert_outcomes(passed=8, errors=2)
    result.stdout.fnmatch_lines(SHOWN)


LOADED = """
import sys
import pytest

def test_modules(request):
    loaded = {name for name in sys.modules if name.startswith("eventflux")}
    assert loaded == %r
"""


@pytest.mark.parametrize("is_used", [True, False])
def test_who_does_not_use_it_does_not_load_the_runtime(pytester: pytest.Pytester, is_used: bool) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    assert declared == {"eventflux": PLUGIN}
    if not entry_points(group="pytest11", name="eventflux"):
        folder = pytester.mkdir("site") / "eventflux_transport-0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: eventflux-transport\nVersion: 0\n")
        (folder / "entry_points.txt").write_text(f"[pytest11]\neventflux = {PLUGIN}\n")
    parts = PLUGIN.split(".")
    names = {".".join(parts[: number + 1]) for number in range(len(parts))}
    names |= {"eventflux_runtime.loading", "eventflux_runtime.loading.lazy"}
    pytester.makepyfile(LOADED % (names if is_used else set(),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(pytester.path / "site"), prepend=":")
        left_out = () if is_used else ("-p", "no:eventflux")
        result = pytester.runpytest_subprocess("-p", "no:anyio", "-p", "no:asyncio", "-p", "no:xdist", *left_out)
    result.assert_outcomes(passed=1)
