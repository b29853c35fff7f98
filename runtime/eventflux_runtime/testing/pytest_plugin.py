"""The pytest plugin: fixtures that serve a test's services inside the process, and give channels to them.

It is loaded by every run of pytest, so what the fixtures need is imported when they are used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from eventflux_runtime.blocking.channel import BlockingChannel
    from eventflux_runtime.client.channel import Channel
    from eventflux_runtime.server.service import Service
    from eventflux_runtime.testing.in_memory import InMemoryOptions

__all__ = [
    "eventflux_blocking_channel",
    "eventflux_channel",
    "eventflux_options",
    "eventflux_services",
    "pytest_configure",
]

_MARKER: Final = "eventflux_allow_errors"
_ON_ANYIO: Final = "_eventflux_channel_on_anyio"
_ON_ASYNCIO: Final = "_eventflux_channel_on_asyncio"
_SCOPES: Final = ("function", "class", "module", "package", "session")
"""Those that pytest-asyncio's event loops may have. A channel has to be opened on the loop of its test."""


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Describes the marker, and where pytest-asyncio is used, has that make the channel."""
    config.addinivalue_line("markers", f"{_MARKER}: errors that handlers raise do not fail this test by themselves")
    asyncio_plugin: Any = config.pluginmanager.get_plugin("asyncio")
    if asyncio_plugin is not None and hasattr(asyncio_plugin, "fixture"):
        fixtures = ModuleType("eventflux_asyncio_fixtures")
        for scope in _SCOPES:
            channel = asyncio_plugin.fixture(_asyncio_channel(), name=f"{_ON_ASYNCIO}_{scope}", loop_scope=scope)
            setattr(fixtures, scope, channel)
        config.pluginmanager.register(fixtures, fixtures.__name__)


@pytest.fixture
def eventflux_services() -> Sequence[Service]:
    """The services of a test. Define a fixture of this name, in a test module or a ``conftest.py``, that returns them.

    Raises:
        pytest.UsageError: no such fixture was defined.
    """
    raise pytest.UsageError(
        "define a fixture 'eventflux_services' that returns a list of the services to be called, in the test's module "
        "or in conftest.py"
    )


@pytest.fixture
def eventflux_options() -> InMemoryOptions:
    """How they are served and called. Define a fixture of this name to change that."""
    return {}


@pytest.fixture
def eventflux_channel(request: pytest.FixtureRequest) -> Channel:
    """A channel to `eventflux_services`, for async tests on anyio's plugin or on pytest-asyncio.

    Raises:
        pytest.UsageError: neither runs the test.
    """
    marker = request.node.get_closest_marker("asyncio")
    if "anyio_backend" in request.fixturenames:
        name = _ON_ANYIO
    elif marker is not None and request.config.pluginmanager.has_plugin("asyncio"):
        scope = marker.kwargs.get("loop_scope") or request.config.getini("asyncio_default_test_loop_scope")
        name = f"{_ON_ASYNCIO}_{scope}"
    else:
        raise pytest.UsageError(
            "'eventflux_channel' is for async tests that anyio's plugin or pytest-asyncio runs: a test that is a plain "
            "function takes 'eventflux_blocking_channel', and one on another plugin opens 'async with "
            "serve_in_memory(...)' of eventflux_runtime.testing"
        )
    channel: Channel = request.getfixturevalue(name)
    return channel


@pytest.fixture
def eventflux_blocking_channel(
    request: pytest.FixtureRequest, eventflux_services: Sequence[Service], eventflux_options: InMemoryOptions
) -> Iterator[BlockingChannel]:
    """A blocking channel to `eventflux_services`, for tests that are plain functions."""
    from eventflux_runtime.testing.in_memory import serve_in_memory_blocking  # noqa: PLC0415 - see the module

    with serve_in_memory_blocking(*eventflux_services, **_options_of(request, eventflux_options)) as channel:
        yield channel


@pytest.fixture(name=_ON_ANYIO)
async def _anyio_channel(
    request: pytest.FixtureRequest,
    anyio_backend: object,
    eventflux_services: Sequence[Service],
    eventflux_options: InMemoryOptions,
) -> AsyncIterator[Channel]:
    """Opened and closed by anyio's plugin, which asks for the first fixture."""
    from eventflux_runtime.testing.in_memory import serve_in_memory  # noqa: PLC0415 - see the module

    async with serve_in_memory(*eventflux_services, **_options_of(request, eventflux_options)) as channel:
        yield channel


def _asyncio_channel() -> Callable[..., AsyncIterator[Channel]]:
    """Opened and closed by pytest-asyncio, which writes the scope of the loop to the function."""

    async def channel(
        request: pytest.FixtureRequest, eventflux_services: Sequence[Service], eventflux_options: InMemoryOptions
    ) -> AsyncIterator[Channel]:
        from eventflux_runtime.testing.in_memory import serve_in_memory  # noqa: PLC0415 - see the module

        async with serve_in_memory(*eventflux_services, **_options_of(request, eventflux_options)) as channel:
            yield channel

    return channel


def _options_of(request: pytest.FixtureRequest, options: InMemoryOptions) -> InMemoryOptions:
    """The options of a test, whose marker counts unless they say more."""
    if request.node.get_closest_marker(_MARKER) is None:
        return options
    return {"raise_errors": False, **options}
