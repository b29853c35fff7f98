"""What is dropped: streams before, in and after their use, and the errors of calls, which hold nothing together."""

from __future__ import annotations

import gc
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal

from eventflux_runtime import NotFound, RpcError
from eventflux_transport import EventRequest, HeartbeatRequest, Message
from tests.support.threaded import Served, served
from tests.support.wires import WIRES

FOREVER = EventRequest(node_id="forever")
FAIL = Message(headers={"do": "fail-with-trailers"})


@contextmanager
def uncollected() -> Iterator[None]:
    """Nothing but a count of references that falls to zero ends what is dropped."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def half_read(found: Served) -> None:
    for _ in found.client.stream_events(FOREVER):
        break


def forgotten(found: Served) -> None:
    found.client.stream_events(FOREVER).__enter__().receive()


def forgotten_bidi(found: Served) -> None:
    stream = found.client.stream_messages().__enter__()
    stream.send(Message())
    stream.receive()


def in_a_loop_that_fails(found: Served) -> None:
    with pytest.raises(ZeroDivisionError):
        for _ in found.client.stream_events(FOREVER):
            raise ZeroDivisionError


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("use", [half_read, forgotten, forgotten_bidi, in_a_loop_that_fails])
def test_a_dropped_stream_is_cancelled_and_warned_of(
    portal: BlockingPortal, wire: str, use: Callable[[Served], None], tmp_path: Path
) -> None:
    method = "StreamMessages" if use is forgotten_bidi else "StreamEvents"
    with served(portal, wire, tmp_path) as found:
        with uncollected(), pytest.warns(ResourceWarning, match=f"{method} was dropped before its end.*: use 'with'$"):
            use(found)
        found.wait(found.service.cancelled)
        assert found.client.heartbeat(HeartbeatRequest(timestamp=7)).server_timestamp == 7


def to_its_end(found: Served) -> None:
    assert len(list(found.client.stream_events(EventRequest(batch_size=3)))) == 3


def left_early(found: Served) -> None:
    with found.client.stream_events(FOREVER) as stream:
        for _ in stream:
            break


def closed(found: Served) -> None:
    with closing(found.client.stream_events(FOREVER)) as stream:
        for _ in stream:
            break


def never_entered(found: Served) -> None:
    found.client.stream_events(FOREVER)
    found.client.stream_messages()


def failed(found: Served) -> None:
    with pytest.raises(NotFound):
        list(found.client.stream_events(EventRequest(node_id="fail")))


@pytest.mark.parametrize("use", [to_its_end, left_early, closed, never_entered, failed])
def test_a_stream_that_is_left_is_not_warned_of(tcp: Served, use: Callable[[Served], None]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        use(tcp)
        gc.collect()


def failure_of(use: Callable[[], object]) -> RpcError:
    try:
        use()
    except RpcError as error:
        return error
    raise AssertionError("it did not fail")


def test_the_traceback_of_an_error_leads_from_the_caller_into_the_runtime(tcp: Served) -> None:
    shown = "".join(traceback.format_exception(failure_of(lambda: tcp.client.send_message(FAIL))))
    assert "in failure_of" in shown
    assert "portal.py" in shown
    assert "blocking/channel.py" in shown
    assert "client/channel.py" not in shown  # what the loop's thread did, which holds the call
    assert "During handling" not in shown


def test_an_error_is_in_no_cycle(tcp: Served) -> None:
    def fail_in_a_stream() -> None:
        with tcp.client.stream_events(EventRequest(node_id="fail")) as events:
            for _ in events:
                pass

    tcp.client.heartbeat(HeartbeatRequest())
    with uncollected():
        holders = []
        for use in (lambda: tcp.client.send_message(FAIL), fail_in_a_stream):
            error = failure_of(use)
            error.held = Held()  # type: ignore[attr-defined]  # an error takes no weak references
            holders.append(weakref.ref(error.held))  # type: ignore[attr-defined]  # as above
            del error
        tcp.client.heartbeat(HeartbeatRequest())  # the loop has let go of the stream, too
        assert [holder() for holder in holders] == [None, None]


class Held:
    """Lives as long as what it is an attribute of."""


def test_the_traceback_of_an_error_that_comes_again_does_not_grow(tcp: Served) -> None:
    with tcp.client.stream_events(EventRequest(node_id="fail")) as events:
        events.receive()
        depths = {len(traceback.extract_tb(failure_of(events.receive).__traceback__)) for _ in range(5)}
    assert len(depths) == 1


def test_a_call_leaves_nothing_to_the_collector(tcp: Served) -> None:
    tcp.client.heartbeat(HeartbeatRequest())
    with uncollected():
        for _ in range(20):
            tcp.client.heartbeat(HeartbeatRequest())
            list(tcp.client.stream_events(EventRequest(batch_size=3)))
        assert gc.collect() < 20  # the server is in this process too
