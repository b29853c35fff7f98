"""Programs that use blocking clients and end, fork or are interrupted; run by test_processes, each in a process."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Final

from eventflux_runtime import ConfigError, blocking
from eventflux_transport import EventRequest, HeartbeatRequest, Message, TransportBlockingClient

LINGER: Final = Message(headers={"do": "linger"})
CHANNEL: Final = blocking.connect(sys.argv[2] if len(sys.argv) > 2 else "tcp://127.0.0.1:1")
CLIENT: Final = TransportBlockingClient(CHANNEL)


def call(who: str) -> None:
    """Makes a call, and tells of it."""
    print(who, CLIENT.send_message(Message(id=who), timeout_s=20).id, flush=True)


def interrupted() -> None:
    """Waits for an answer until it is interrupted, and goes on."""
    with CHANNEL:
        call("first")
        try:
            CLIENT.send_message(LINGER)
        except KeyboardInterrupt:
            call("interrupted")
            sys.stdin.readline()  # closing would cancel the call, too


def interrupted_stream() -> None:
    """The same in a stream."""
    with CHANNEL:
        try:
            with CLIENT.stream_events(EventRequest(node_id="linger")) as events:
                for event in events:
                    print("got", event.id, flush=True)
        except KeyboardInterrupt:
            call("interrupted")
            sys.stdin.readline()  # closing would cancel the call, too


def left_open() -> None:
    """Ends with an open channel, with calls and a stream in threads that nobody waits for."""
    CHANNEL.open()
    started = threading.Barrier(3)

    def wait() -> None:
        started.wait()
        CLIENT.send_message(LINGER)

    def go_on() -> None:
        started.wait()
        while True:
            CLIENT.heartbeat(HeartbeatRequest())

    for work in (wait, go_on):
        threading.Thread(target=work, daemon=True).start()
    started.wait()
    stream = CLIENT.stream_events(EventRequest(node_id="forever")).__enter__()
    stream.receive()
    globals()["kept"] = stream
    call("ended")


def thread_dies() -> None:
    """A thread dies amid a stream, and its channel goes on."""
    threading.excepthook = lambda args: print("died of", args.exc_type.__name__, flush=True)
    with CHANNEL:

        def die() -> None:
            with CLIENT.stream_events(EventRequest(node_id="forever")) as events:
                raise ZeroDivisionError(events.receive().id)

        thread = threading.Thread(target=die)
        thread.start()
        thread.join()
        call("after")


def child(work: Callable[[], None]) -> None:
    """Runs something in a forked child, and waits for that."""
    process = os.fork()
    if not process:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test wants to read it
            print("child failed:", type(error).__name__, error, flush=True)
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0


def forked() -> None:
    """Forks before, while and after a channel is open, and while another thread is in the midst of calls."""
    child(lambda: interrupted_not("child before"))
    with CHANNEL:
        call("parent")
        with CLIENT.stream_messages() as stream:
            child(lambda: call("child within"))
            child(lambda: inherited(stream))
            stream.send(Message(id="of the parent"))
            print(stream.receive().id, flush=True)
        busy = threading.Thread(target=lambda: [CLIENT.heartbeat(HeartbeatRequest()) for _ in range(200)])
        busy.start()
        for number in range(3):
            child(lambda number=number: call(f"child {number}"))  # type: ignore[misc]  # mypy infers no default
        busy.join()
        call("parent again")
    child(lambda: interrupted_not("child after"))


def interrupted_not(who: str) -> None:
    """Opens, calls and closes."""
    with CHANNEL:
        call(who)


def inherited(stream: blocking.BlockingBidiStream[Message, Message]) -> None:
    """What a stream of the parent says."""
    try:
        stream.send(Message())
    except ConfigError as error:
        print("child:", error, flush=True)
    stream.cancel()


def pool_worker(who: str) -> str:
    """What a process of a pool does, by the channel of its module."""
    return CLIENT.send_message(Message(id=who), timeout_s=20).id


def start_worker(url: str) -> None:
    """A spawned process knows nothing of its parent: it connects by itself."""
    global CHANNEL, CLIENT  # noqa: PLW0603 - as programs of users do
    CHANNEL = blocking.connect(url).open()  # type: ignore[misc]  # its own, in place of the parent's
    CLIENT = TransportBlockingClient(CHANNEL)  # type: ignore[misc]  # as above


def pools() -> None:
    """Workers that are forked from a program with an open channel, and workers that are spawned."""
    with CHANNEL:
        call("parent")
        with multiprocessing.get_context("fork").Pool(2) as workers:
            print(sorted(workers.map(pool_worker, ["a", "b", "c"])), flush=True)
        with multiprocessing.get_context("spawn").Pool(1, start_worker, (sys.argv[2],)) as workers:
            print(sorted(workers.map(pool_worker, ["d"])), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("error")
    # Since Python 3.12 a fork beside other threads warns; here it is what is tested.
    warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
    globals()[sys.argv[1]]()
