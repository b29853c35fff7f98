# Every public name of the blocking side, once; type checkers read this file, and `lazy_names` does.

from eventflux_runtime.blocking.channel import BlockingChannel as BlockingChannel
from eventflux_runtime.blocking.client import BlockingClient as BlockingClient
from eventflux_runtime.blocking.connect import connect as connect
from eventflux_runtime.blocking.health_client import BlockingHealthClient as BlockingHealthClient
from eventflux_runtime.blocking.stream import BlockingBidiStream as BlockingBidiStream
from eventflux_runtime.blocking.stream import BlockingClientStream as BlockingClientStream
from eventflux_runtime.blocking.stream import BlockingServerStream as BlockingServerStream
from eventflux_runtime.telemetry.blocking_client import BlockingStatsClient as BlockingStatsClient
