"""Follows servers: each has a view, which is kept up to date while it is followed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import anyio

from eventflux_node.top.rate import ServerRates, rates_between
from eventflux_runtime import (
    ClientConfig,
    CodecError,
    Metadata,
    RpcError,
    ServerReport,
    StatsClient,
    Unimplemented,
    connect,
)

__all__ = ["NOT_SERVED", "ServerView", "Watch"]

NOT_SERVED: Final = "the server does not tell its stats: set ServerConfig(stats=True), or start a node with --stats"


class ServerView:
    """What is known of a server now: its rates, or why there are none."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.rates: ServerRates | None = None
        self.trouble = ""
        """Why nothing is known of it now; empty: it answers."""
        self.is_silent = False
        """Whether it does not serve stats, so that nobody need ask again."""
        self._before: ServerReport | None = None

    def take(self, report: ServerReport) -> bool:
        """Takes a report in; whether there are rates by now. The first one of a run only begins them."""
        before, self._before = self._before, report
        self.rates = None if before is None else rates_between(before, report)
        self.trouble = ""
        return self.rates is not None

    def fail(self, trouble: str) -> None:
        """It does not answer."""
        self.trouble = trouble
        self.rates = None
        self._before = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How servers are followed."""

    config: ClientConfig
    metadata: Metadata
    interval_s: float
    timeout_s: float
    """How long an answer may take, beyond the interval."""

    async def look_once(self, view: ServerView) -> None:
        """Brings a view up to date from two reports that are an interval apart."""
        try:
            async with connect(view.url, config=self.config) as channel:
                client = StatsClient(channel)
                view.take(await client.get(timeout_s=self.timeout_s, metadata=self.metadata))
                await anyio.sleep(self.interval_s)
                if not view.take(await client.get(timeout_s=self.timeout_s, metadata=self.metadata)):
                    view.fail("two processes answer at this address in turn, or the server was started anew: try again")
        except (RpcError, CodecError) as error:
            _note(view, error)

    async def follow(self, view: ServerView, changed: Callable[[ServerView], None]) -> None:
        """Keeps a view up to date until it is cancelled, or the server turns out not to serve stats.

        Args:
            view: is brought up to date.
            changed: is called whenever it was.
        """
        async with connect(view.url, config=self.config) as channel:
            client = StatsClient(channel)
            while True:
                try:
                    await self._follow_watch(client, view, changed)
                except (RpcError, CodecError) as error:
                    _note(view, error)
                except TimeoutError:
                    view.fail(f"no answer within {self.timeout_s:g} s")
                changed(view)
                if view.is_silent:
                    return
                await anyio.sleep(self.interval_s)

    async def _follow_watch(self, client: StatsClient, view: ServerView, changed: Callable[[ServerView], None]) -> None:
        async with aclosing(client.watch(self.interval_s, metadata=self.metadata)) as reports:
            while True:
                with anyio.fail_after(self.interval_s + self.timeout_s):
                    report = await anext(reports, None)
                if report is None:
                    view.fail("the server ended the watch")
                    return
                view.take(report)
                changed(view)


def _note(view: ServerView, error: Exception) -> None:
    view.is_silent = isinstance(error, Unimplemented)
    view.fail(NOT_SERVED if view.is_silent else " ".join(str(error).split()))
