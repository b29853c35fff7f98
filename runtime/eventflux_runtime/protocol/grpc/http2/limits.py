"""What a peer may do that is legal and costs it less than us: how often, before the connection ends.

Calls broken off at once, and frames that bring nothing, are how HTTP/2 servers have been brought down: CVE-2023-44487
(rapid reset), CVE-2025-8671 (resets that the peer provokes), CVE-2019-9512 to 9518 (floods of cheap frames).
"""

from __future__ import annotations

from typing import Final, final

from eventflux_runtime.protocol.grpc.http2.error import ENHANCE_YOUR_CALM, Http2Error
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.rate_limit import RateLimit

__all__ = ["Limits"]

PING_BURST: Final = 10.0
"""Pings that may arrive at once, because the network may have held them up."""
EARNED_BY_CALL: Final = 4.0
"""Cheap frames that come with a call: its end may cross a WINDOW_UPDATE and a RST_STREAM, for example."""


@final
class Limits:
    """The limits of one connection.

    Invariants: only what the peer did is counted; `now` is when the bytes at hand arrived.
    """

    __slots__ = ("_activity", "cheap", "now", "pings", "resets", "settings")

    def __init__(self, settings: Settings, now: float) -> None:
        self.settings = settings
        self.now = now
        self.pings = RateLimit(PING_BURST, 1.0 / settings.min_ping_interval_s, now)
        self.resets = RateLimit(float(settings.max_resets_per_s + settings.max_streams), settings.max_resets_per_s, now)
        self.cheap = RateLimit(float(settings.max_cheap_frames_per_s), settings.max_cheap_frames_per_s, now)
        self._activity = 0

    def call_came(self) -> None:
        """A call began, or one of ours was answered: more cheap frames are in order."""
        cheap = self.cheap
        cheap.tokens = min(cheap.burst, cheap.tokens + EARNED_BY_CALL)

    def cheap_frame(self, name: str, times: int = 1) -> None:
        """Counts a frame that brought nothing, or one that is as dear as so many of them.

        Raises:
            Http2Error: one too many.
        """
        if not self.cheap.allows(self.now, times):
            most = self.settings.max_cheap_frames_per_s
            raise Http2Error(
                f"too many frames that bring nothing: over {most} per second, {name} at last", ENHANCE_YOUR_CALM
            )

    def call_reset(self) -> None:
        """Counts a call that the peer broke off, or made this side break off.

        Raises:
            Http2Error: one too many.
        """
        if not self.resets.allows(self.now):
            most = self.settings.max_resets_per_s
            raise Http2Error(f"too many calls broken off: more than {most} per second", ENHANCE_YOUR_CALM)

    def ping(self, activity: int) -> None:
        """Counts a ping, unless calls went on since the one before (gRPC's proposal A8, "ping strikes").

        Args:
            activity: a number that rises with all that is sent and received for calls.

        Raises:
            Http2Error: one too many; gRPC's clients know the first word of the text.
        """
        if activity != self._activity:
            self._activity = activity
            self.pings.tokens = self.pings.burst
        if not self.pings.allows(self.now):
            least = self.settings.min_ping_interval_s
            raise Http2Error(
                f"too_many_pings: this side wants at most one every {least:g} s: raise the keepalive interval",
                ENHANCE_YOUR_CALM,
            )
