"""The pytest plugin, as projects of users have it: with anyio, with pytest-asyncio, and without a loop."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

import eventflux_runtime.testing.in_memory
import inventory_sdk
import tests.support.shop  # noqa: F401 - what the runs within this process import stays loaded

pytest_plugins = ["pytester"]

PLUGIN = "eventflux_runtime.testing.pytest_plugin"
assert eventflux_runtime.testing.in_memory.serve_in_memory is not None
assert inventory_sdk.InventoryClient is not None

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
STRICT = "[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n"


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Runs the tests of a user's project within this process, with this plugin and those of async tests."""
    is_installed = bool(entry_points(group="pytest11", name="eventflux"))
    plugin = () if is_installed else ("-p", PLUGIN)
    others = ("-p", "no:xdist", "-p", "no:timeout", "-p", "no:cacheprovider")
    return pytester.runpytest_inprocess(*plugin, *others, *arguments)


def check(result: pytest.RunResult) -> None:
    """The outcome of `ASYNC_TESTS`: the bug fails its test as it is left, and shows itself."""
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*LookupError: a shelf has gone", "the server logged: the handler of /shop*"])


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_with_anyio(pytester: pytest.Pytester, backend: str) -> None:
    pytester.makeini(STRICT + "anyio_mode = auto\n")
    fixture = f"@pytest.fixture\ndef anyio_backend():\n    return {backend!r}\n"
    pytester.makepyfile(SERVICES + fixture + ASYNC_TESTS)
    check(run(pytester, "-p", "no:asyncio"))


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_with_pytest_asyncio(pytester: pytest.Pytester, mode: str) -> None:
    pytest.importorskip("pytest_asyncio", reason="the group of the tests has it")
    pytester.makeini(STRICT + f"asyncio_mode = {mode}\nasyncio_default_fixture_loop_scope = function\n")
    mark = "pytestmark = pytest.mark.asyncio\n" if mode == "strict" else ""
    pytester.makepyfile(SERVICES + mark + ASYNC_TESTS)
    check(run(pytester, "-p", "no:anyio"))


def test_without_an_event_loop(pytester: pytest.Pytester) -> None:
    pytester.makeini(STRICT)
    pytester.makepyfile(
        SERVICES
        + """
@pytest.fixture
def eventflux_options():
    return {"is_grpc": True}

def test_reply(eventflux_blocking_channel):
    assert isinstance(eventflux_blocking_channel, BlockingChannel)
    assert InventoryBlockingClient(eventflux_blocking_channel).get_item(GetItemRequest(sku="a")).sku == "a"

def test_bug(eventflux_blocking_channel):
    with pytest.raises(Unknown):
        InventoryBlockingClient(eventflux_blocking_channel).get_item(GetItemRequest(sku="bug"))

def test_wrong_fixture(eventflux_channel):
    pass
"""
    )
    result = run(pytester, "-p", "no:asyncio")
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["*LookupError: a shelf has gone", "*takes 'eventflux_blocking_channel'*"])


def test_services_that_nobody_has_defined(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_call(eventflux_blocking_channel): pass")
    result = run(pytester, "-p", "no:asyncio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*define a fixture 'eventflux_services' that returns a list of the services*"])


def test_who_does_not_use_it_does_not_load_the_runtime(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import sys

def test_modules():
    loaded = {name for name in sys.modules if name.startswith("eventflux")}
    assert loaded <= {
        "eventflux_runtime",
        "eventflux_runtime.loading",
        "eventflux_runtime.loading.lazy",
        "eventflux_runtime.testing",
        "eventflux_runtime.testing.pytest_plugin",
    }
    assert "eventflux_runtime.testing.pytest_plugin" in loaded
"""
    )
    pytester.runpytest_subprocess("-p", PLUGIN, "-p", "no:anyio", "-p", "no:asyncio").assert_outcomes(passed=1)
