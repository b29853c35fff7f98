# Every public name for tests, once; type checkers read this file, and `lazy_names` does.

from eventflux_runtime.testing.clock import AutojumpEventLoop as AutojumpEventLoop
from eventflux_runtime.testing.clock import ManualClock as ManualClock
from eventflux_runtime.testing.endpoint import memory_endpoint as memory_endpoint
from eventflux_runtime.testing.fake_call import FakeCall as FakeCall
from eventflux_runtime.testing.fake_service import FakeAnswer as FakeAnswer
from eventflux_runtime.testing.fake_service import FakeService as FakeService
from eventflux_runtime.testing.fake_service import SeenCall as SeenCall
from eventflux_runtime.testing.in_memory import InMemoryOptions as InMemoryOptions
from eventflux_runtime.testing.in_memory import serve_in_memory as serve_in_memory
from eventflux_runtime.testing.in_memory import serve_in_memory_blocking as serve_in_memory_blocking
from eventflux_runtime.testing.recorder import Recorder as Recorder
from eventflux_runtime.testing.replay import Replay as Replay
from eventflux_runtime.testing.server_error import raise_server_errors as raise_server_errors
from eventflux_runtime.testing.verify import verify_recording as verify_recording
