"""The opening handshake of a WebSocket (RFC 6455, 4), either side, by the library websockets and without I/O."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

import msgspec
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidURI
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from eventflux_runtime.carrier.api import HttpRefusal
from eventflux_runtime.carrier.websocket.access import Access
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.peer import Peer

__all__ = ["SUBPROTOCOL", "Accepted", "ClientHandshake", "answer_request"]

SUBPROTOCOL: Final = Subprotocol("eft1.eventflux")
"""What is spoken inside: the native protocol, as docs/protocol.md has it."""
_VERSION: Final = "13"
_WANTING: Final = HTTPStatus.UPGRADE_REQUIRED
_WANTED: Final = (("Upgrade", "websocket"),)
"""What has to be said beside that status (RFC 9110, 15.5.22)."""
_END_OF_HEAD: Final = b"\r\n\r\n"
_MAX_HEAD_BYTES: Final = 16 * 1024
_MAX_ANSWER_BYTES: Final = 64 * 1024
_SHOWN_CHARACTERS: Final = 200
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]+")


class Accepted(msgspec.Struct, frozen=True):
    """A request that is granted."""

    answer: bytes
    peer: Peer


# -- the server


def answer_request(head: bytes, access: Access, peer: Peer) -> Accepted | HttpRefusal:
    """Judges a request for a WebSocket; `head` is all of it, and `peer` whoever is connected."""
    protocol = ServerProtocol(subprotocols=[SUBPROTOCOL])
    protocol.receive_data(head)
    request = next(iter(protocol.events_received()), None)
    if not isinstance(request, Request):
        return HttpRefusal(HTTPStatus.BAD_REQUEST, f"the request cannot be read: {protocol.handshake_exc}")
    refusal = _refuse(request.headers, access)
    if refusal is not None:
        return refusal
    response = protocol.accept(request)
    if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
        reason = f"the WebSocket's handshake is wrong: {protocol.handshake_exc}"
        return HttpRefusal(response.status_code, reason, _WANTED if response.status_code == _WANTING else ())
    protocol.send_response(response)
    hops = [hop for value in request.headers.get_all("X-Forwarded-For") for hop in value.split(",")]
    return Accepted(b"".join(protocol.data_to_send()), access.forwarded(peer, hops))


def _refuse(headers: Headers, access: Access) -> HttpRefusal | None:
    versions = headers.get_all("Sec-WebSocket-Version")
    if versions != [_VERSION]:
        reason = f"the version of WebSocket here is {_VERSION}, not {', '.join(versions) or 'none'}"
        return HttpRefusal(_WANTING, reason, (*_WANTED, ("Sec-WebSocket-Version", _VERSION)))
    origins = headers.get_all("Origin")
    if len(origins) > 1:
        return HttpRefusal(HTTPStatus.BAD_REQUEST, "the request has more than one Origin")
    if origins and not access.takes_origin(origins[0], ", ".join(headers.get_all("Host"))):
        return HttpRefusal(HTTPStatus.FORBIDDEN, access.refused_origin(_shown(origins[0])))
    offered = [name.strip() for value in headers.get_all("Sec-WebSocket-Protocol") for name in value.split(",")]
    if SUBPROTOCOL not in offered:
        names = _shown(", ".join(offered)) or "none"
        return HttpRefusal(HTTPStatus.BAD_REQUEST, f"offer the subprotocol {SUBPROTOCOL}: the request has {names}")
    return None


def _shown(text: str) -> str:
    """What a peer wrote, made short and printable."""
    text = _UNPRINTABLE.sub(" ", text.strip())
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


# -- the client


class ClientHandshake:
    """A client's half: sends `request`, and reads until `rest` is there."""

    def __init__(self, endpoint: Endpoint) -> None:
        """A handshake with the server at an endpoint.

        Raises:
            ConfigError: the endpoint makes no URL for WebSocket.
        """
        scheme = "wss" if endpoint.is_tls else "ws"
        try:
            uri = parse_uri(f"{scheme}://{endpoint.authority}{endpoint.path}")
        except InvalidURI as error:
            raise ConfigError(f"{endpoint}: no WebSocket is asked for so: {error}") from None
        self._protocol = ClientProtocol(uri, subprotocols=[SUBPROTOCOL])
        self._path = endpoint.path
        self._answer = b""
        self._fed = 0
        self._response: Response | None = None
        self._protocol.send_request(self._protocol.connect())
        self.request: bytes = b"".join(self._protocol.data_to_send())
        """What asks for the WebSocket."""
        self.rest: bytes | None = None
        """What came behind the server's consent; None: that is not there yet."""

    def receive_data(self, data: bytes) -> None:
        """Reads what the server answers, until `rest` is set.

        Raises:
            ConnectionError: it does not consent; the text says why and what to do.
        """
        self._answer += data
        if not b"HTTP/1.1 ".startswith(self._answer[:9]):
            beginning = self._answer[:16]
            raise ConnectionError(
                f"it answers {beginning!r}, which is not WebSocket's handshake: check scheme and port"
            )
        end = self._answer.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        if end < len(_END_OF_HEAD):
            if len(self._answer) > _MAX_HEAD_BYTES:
                raise ConnectionError(f"the head of its answer is longer than {_MAX_HEAD_BYTES} bytes: check the port")
        elif self._answer.startswith(b"HTTP/1.1 101"):
            self._feed(self._answer[:end])
            self._check_consent()
            self.rest = self._answer[end:]
        else:
            if len(self._answer) <= _MAX_ANSWER_BYTES:
                self._feed(self._answer[self._fed :])
            if self._response is not None or len(self._answer) > _MAX_ANSWER_BYTES:
                raise ConnectionError(self._why_refused())

    def why_ended(self) -> str:
        """What to say of a server that closed before it consented."""
        if not self._answer:
            return "the server closed the connection in the WebSocket handshake: check scheme and port"
        self._protocol.receive_eof()
        self._take_events()
        return self._why_refused()

    def _feed(self, data: bytes) -> None:
        self._fed += len(data)
        self._protocol.receive_data(data)
        self._take_events()

    def _take_events(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._response = event

    def _check_consent(self) -> None:
        if self._protocol.state is not State.OPEN:
            raise ConnectionError(f"its WebSocket handshake is wrong: {_shown(str(self._protocol.handshake_exc))}")
        if self._protocol.subprotocol != SUBPROTOCOL:
            raise ConnectionError(f"its WebSocket does not speak {SUBPROTOCOL}: check path and port")

    def _why_refused(self) -> str:
        response = self._response
        if response is None:
            line = self._answer.split(b"\r\n", 1)[0].decode(errors="replace")
            return f"it answers {_shown(line)!r} and no more, and not with a WebSocket: check path and port"
        status = response.status_code
        if 300 <= status < 400:
            target = _shown(response.headers.get("Location", "elsewhere"))
            return f"it sends clients on to {target} ({status}), which is not followed: connect to that address"
        name = f"{status} {_shown(response.reason_phrase)}".strip()
        lines = (response.body or b"").decode(errors="replace").strip().splitlines()
        said = f": {_shown(lines[0])}" if lines and not lines[0].lstrip().startswith("<") else ""
        advice = ""
        if status == HTTPStatus.NOT_FOUND and not said:
            advice = f"; is {self._path} the path of the WebSocket there?"
        elif status < 300:
            advice = "; it is a web server: check path and port"
        return f"the server refuses the WebSocket with {name}{said}{advice}"
