"""`connect` for programs without an event loop: from a URL to a channel whose calls wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from eventflux_runtime.blocking.channel import BlockingChannel
from eventflux_runtime.client.interceptor import ClientInterceptor
from eventflux_runtime.connect import connect as connect_async
from eventflux_runtime.rpc.config import ClientConfig

__all__ = ["connect"]


def connect(
    target: str | Iterable[str],
    *,
    config: ClientConfig | None = None,
    interceptors: Sequence[ClientInterceptor] = (),
) -> BlockingChannel:
    """A channel to a service, for any number of threads; enter it with ``with``, or call `BlockingChannel.open`.

    Args:
        target: as of `eventflux_runtime.connect`: a URL, one with a comma-separated host list, or several URLs.
        config: every setting; None: the defaults.
        interceptors: run around every call, the first outermost. They are those of an async channel, and run on the
            channel's own thread, in a copy of the context of the thread that makes the call.

    Raises:
        ConfigError: the target is not a URL that this package knows, the configuration is not a `ClientConfig`, it has
            certificates for a wire that is not encrypted, or an interceptor is no async function of its arguments.
        MissingExtraError: the wire needs a package that is not installed; the message names the command.
    """
    targets = target if isinstance(target, str) else tuple(target)
    make = partial(connect_async, targets, config=config, interceptors=tuple(interceptors))
    make()  # what is wrong shows here, and not when it is opened
    return BlockingChannel(make, targets if isinstance(targets, str) else ",".join(targets))
