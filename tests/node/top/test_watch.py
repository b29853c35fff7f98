"""Following servers that come, go and do not answer."""

from __future__ import annotations

import anyio
import pytest

from eventflux_node.top.watch import NOT_SERVED, ServerView, Watch
from eventflux_runtime import ClientConfig, Metadata, ServerConfig, serve
from eventflux_runtime.testing import memory_endpoint

pytestmark = pytest.mark.usefixtures("anyio_backend")

WATCH = Watch(config=ClientConfig(), metadata=Metadata(), interval_s=0.1, timeout_s=10)
ON = ServerConfig(stats=True, drain_grace_s=0)


async def test_a_server_that_was_restarted_is_followed_on() -> None:
    url = memory_endpoint()
    view = ServerView(url)
    changed = anyio.Event()

    def note(_: ServerView) -> None:
        nonlocal changed
        was, changed = changed, anyio.Event()
        was.set()

    async def until_rates(want: bool) -> None:
        while (view.rates is not None) is not want or (not want and not view.trouble):
            await changed.wait()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            async with serve([], url, config=ON):
                tasks.start_soon(WATCH.follow, view, note)
                await until_rates(True)
                assert view.rates is not None
                first = view.rates.instance
            await until_rates(False)
            async with serve([], url, config=ON):
                await until_rates(True)
                assert view.rates.instance != first
                tasks.cancel_scope.cancel()


async def test_a_server_without_stats_is_asked_once() -> None:
    url = memory_endpoint()
    view = ServerView(url)
    seen: list[str] = []
    with anyio.fail_after(20):
        async with serve([], url, config=ServerConfig(drain_grace_s=0)):
            await WATCH.follow(view, lambda each: seen.append(each.trouble))
    assert seen == [NOT_SERVED]
    assert view.is_silent
