"""What the channels of this process log of their connections and attempts, all together at a bounded rate."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Final

from eventflux_runtime.net.limited_log import LimitedLog

__all__ = ["CLIENT_LOG"]

CLIENT_LOG: Final = LimitedLog(logging.getLogger("eventflux_runtime.client"), monotonic)
