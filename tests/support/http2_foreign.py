"""Other implementations of HTTP/2, driven alike: h2, in Python, and nghttp2, in C, by its binding ngh2.

Each speaks gRPC as far as a test needs it: heads and trailers as fields, messages as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import ngh2

from tests.support.http2_pair import Fields

__all__ = ["FOREIGN", "H2", "Foreign", "Ngh2", "Seen"]


@dataclass
class Seen:
    """What a foreign side has seen of one stream."""

    head: Fields = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    is_ended: bool = False
    reset: int | None = None

    def messages(self) -> list[bytes]:
        """The whole messages of the body, which has to hold nothing besides them."""
        found = []
        body = self.body
        while body:
            size = int.from_bytes(body[1:5], "big")
            assert len(body) >= 5 + size, "a message is cut short"
            found.append(body[5 : 5 + size])
            body = body[5 + size :]
        return found


class Foreign:
    """One side of a connection; `streams` is what it has seen, `is_lost` `fault` why it gave the connection up."""

    def __init__(self) -> None:
        self.streams: dict[int, Seen] = {}
        self.fault = ""
        self.last_call: int | None = None
        self.pongs: list[bytes] = []
        self._sent: list[bytes] = []

    def __repr__(self) -> str:
        return type(self).__name__

    def receive(self, data: bytes) -> None:
        """Takes what the other side sent, and gives credit for it at once."""
        raise NotImplementedError

    def output(self) -> bytes:
        """What is to be sent, messages as far as the other side's windows go."""
        raise NotImplementedError

    def request(self, fields: Fields, *, end: bool) -> int:
        """Client: opens a stream."""
        raise NotImplementedError

    def respond(self, stream_id: int, fields: Fields, *, end: bool) -> None:
        """Server: sends a head."""
        raise NotImplementedError

    def send(self, stream_id: int, data: bytes, *, end: bool) -> None:
        """Sends DATA, now or later."""
        raise NotImplementedError

    def trail(self, stream_id: int, fields: Fields) -> None:
        """Server: sends trailers behind all that was sent."""
        raise NotImplementedError

    def reset(self, stream_id: int, code: int) -> None:
        """Breaks a stream off."""
        raise NotImplementedError

    def squeeze(self, window: int) -> None:
        """Changes the window that streams begin with."""
        raise NotImplementedError


class H2(Foreign):
    """A side that https://pypi.org/project/h2 plays."""

    def __init__(self, *, is_client: bool) -> None:
        super().__init__()
        config = h2.config.H2Configuration(client_side=is_client, header_encoding="utf-8")
        self.connection = h2.connection.H2Connection(config)
        self.connection.initiate_connection()
        self._queues: dict[int, tuple[bytearray, list[Fields | None]]] = {}

    def receive(self, data: bytes) -> None:
        try:
            events = self.connection.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            self.fault = str(error)
            return
        for event in events:
            self._note(event)

    def _note(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived() | h2.events.ResponseReceived():
                self._seen(event.stream_id).head = _text(event.headers)
            case h2.events.TrailersReceived():
                self._seen(event.stream_id).trailers = _text(event.headers)
            case h2.events.DataReceived():
                self._seen(event.stream_id).body += event.data
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)
            case h2.events.StreamEnded():
                self._seen(event.stream_id).is_ended = True
            case h2.events.StreamReset():
                self._seen(event.stream_id).reset = int(event.error_code or 0)
                self._queues.pop(event.stream_id or 0, None)
            case h2.events.ConnectionTerminated():
                self.last_call = event.last_stream_id
            case h2.events.PingAckReceived():
                self.pongs.append(event.ping_data)
            case _:
                pass

    def _seen(self, stream_id: int | None) -> Seen:
        return self.streams.setdefault(stream_id or 0, Seen())

    def output(self) -> bytes:
        for stream_id in list(self._queues):
            self._pump(stream_id)
        return self.connection.data_to_send()

    def _pump(self, stream_id: int) -> None:
        queue, ends = self._queues[stream_id]
        while queue:
            window = self.connection.local_flow_control_window(stream_id)
            size = min(len(queue), window, self.connection.max_outbound_frame_size)
            if size <= 0:
                return
            self.connection.send_data(stream_id, bytes(queue[:size]))
            del queue[:size]
        for trailers in ends:
            if trailers is None:
                self.connection.end_stream(stream_id)
            else:
                self.connection.send_headers(stream_id, trailers, end_stream=True)
        if ends:
            del self._queues[stream_id]

    def request(self, fields: Fields, *, end: bool) -> int:
        stream_id = self.connection.get_next_available_stream_id()
        self.connection.send_headers(stream_id, fields, end_stream=end)
        return stream_id

    def respond(self, stream_id: int, fields: Fields, *, end: bool) -> None:
        self.connection.send_headers(stream_id, fields, end_stream=end)

    def send(self, stream_id: int, data: bytes, *, end: bool) -> None:
        queue, ends = self._queues.setdefault(stream_id, (bytearray(), []))
        queue += data
        if end:
            ends.append(None)

    def trail(self, stream_id: int, fields: Fields) -> None:
        self._queues.setdefault(stream_id, (bytearray(), []))[1].append(fields)

    def reset(self, stream_id: int, code: int) -> None:
        self._queues.pop(stream_id, None)
        self.connection.reset_stream(stream_id, code)

    def squeeze(self, window: int) -> None:
        self.connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})


class Ngh2(Foreign):
    """A side that nghttp2 plays, by https://pypi.org/project/ngh2."""

    def __init__(self, *, is_client: bool) -> None:
        super().__init__()
        role = ngh2.Role.CLIENT if is_client else ngh2.Role.SERVER
        self.connection = ngh2.Connection(role)
        self.connection.initiate_connection({3: 1000})

    def receive(self, data: bytes) -> None:
        try:
            self.connection.receive_data(data)
        except ngh2.ConnectionStateError:
            pass  # all calls have ended behind a GOAWAY
        except ngh2.NGH2Error as error:
            self.fault = str(error)
        for event in self.connection.events():
            self._note(event)

    def _note(self, event: ngh2.Event) -> None:
        match event:
            case ngh2.RequestReceived() | ngh2.ResponseReceived():
                seen = self._seen(event.stream_id)
                seen.head = _fields(event.headers)
                seen.is_ended |= event.end_stream
            case ngh2.TrailersReceived():
                self._seen(event.stream_id).trailers = _fields(event.headers)
                self._seen(event.stream_id).is_ended = True
            case ngh2.DataReceived():
                self._seen(event.stream_id).body += event.data
                self._seen(event.stream_id).is_ended |= event.end_stream
            case ngh2.StreamReset():
                self._seen(event.stream_id).reset = event.error_code
            case ngh2.GoAwayReceived():
                self.last_call = event.last_stream_id
            case ngh2.PingAcknowledged():
                self.pongs.append(event.opaque_data)
            case ngh2.ConnectionClosed() if event.error_code:
                self.fault = event.debug_data.decode()
            case _:
                pass

    def _seen(self, stream_id: int) -> Seen:
        return self.streams.setdefault(stream_id, Seen())

    def output(self) -> bytes:
        return self.connection.data_to_send()

    def request(self, fields: Fields, *, end: bool) -> int:
        return self.connection.send_request(_raw(fields), end_stream=end)

    def respond(self, stream_id: int, fields: Fields, *, end: bool) -> None:
        self.connection.send_response(stream_id, _raw(fields), end_stream=end)

    def send(self, stream_id: int, data: bytes, *, end: bool) -> None:
        self.connection.send_data(stream_id, data, end_stream=end)

    def trail(self, stream_id: int, fields: Fields) -> None:
        self.connection.send_trailers(stream_id, _raw(fields))

    def reset(self, stream_id: int, code: int) -> None:
        self.connection.reset_stream(stream_id, code)

    def squeeze(self, window: int) -> None:
        self.connection.update_settings({4: window})


FOREIGN: list[type[H2 | Ngh2]] = [H2, Ngh2]


def _text(headers: object) -> Fields:
    assert isinstance(headers, list)
    return [(str(name), str(value)) for name, value in headers]


def _fields(headers: tuple[ngh2.Header, ...]) -> Fields:
    return [(name.decode(), value.decode()) for name, value in headers]


def _raw(fields: Fields) -> list[ngh2.Header]:
    return [(name.encode(), value.encode()) for name, value in fields]
