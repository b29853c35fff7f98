"""The program that protobuf's conformance runner asks: it reads a message by our codecs and writes it in another form.

Requests come on standard input and responses leave on standard output, each behind its length in four bytes. They are
messages of the runner's own IDL, so a package that is generated from that carries them.

python -m tests.conformance.testee
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, BinaryIO, Final

from eventflux_runtime import CodecError
from tests.conformance.package import JUDGED, PROTOCOL

__all__ = ["Testee", "main"]

_FIRST_REQUEST: Final = "conformance.FailureSet"
"""What the first request names; it asks which tests may fail, which the runner is told by a file instead."""


class Testee:
    """Answers requests."""

    def __init__(self, protocol: Any, kinds: Mapping[str, type[Any]]) -> None:
        """A testee.

        Args:
            protocol: the package of the runner's own messages.
            kinds: the message classes that can be judged, by their protobuf name.
        """
        self._protocol: Final = protocol
        self._kinds: Final = kinds

    def answer(self, data: bytes) -> bytes:
        """The response to a request, both in protobuf's encoding."""
        request = self._protocol.ConformanceRequest.from_protobuf(data)
        response = self._protocol.ConformanceResponse(result=self._result(request))
        answered: bytes = response.to_protobuf()
        return answered

    def _result(self, request: Any) -> Any:
        if request.message_type == _FIRST_REQUEST:
            return self._choice("ProtobufPayload", self._protocol.FailureSet().to_protobuf())
        kind = self._kinds.get(request.message_type)
        write = self._writers().get(request.requested_output_format)
        if kind is None or write is None:
            return self._choice("Skipped", "there is no such message here, or no such form")
        try:
            message = self._parsed(kind, request)
        except CodecError as error:
            return self._choice("ParseError", str(error))
        if message is None:
            return self._choice("Skipped", "this form cannot be read")
        choice, method = write
        try:
            return self._choice(choice, getattr(message, method)())
        except CodecError as error:
            return self._choice("SerializeError", str(error))

    def _writers(self) -> dict[Any, tuple[str, str]]:
        forms = self._protocol.WireFormat
        return {forms.PROTOBUF: ("ProtobufPayload", "to_protobuf"), forms.JSON: ("JsonPayload", "to_json")}

    def _parsed(self, kind: type[Any], request: Any) -> Any:
        """The message that is to be read; None where it comes in another form. Raises CodecError."""
        payload = request.payload
        if isinstance(payload, self._protocol.ConformanceRequestPayloadProtobufPayload):
            return kind.from_protobuf(payload.value)
        if isinstance(payload, self._protocol.ConformanceRequestPayloadJsonPayload):
            ignoring = self._protocol.TestCategory.JSON_IGNORE_UNKNOWN_PARSING_TEST
            return kind.from_json(payload.value, ignore_unknown_fields=request.test_category == ignoring)
        return None

    def _choice(self, name: str, value: object) -> Any:
        return getattr(self._protocol, f"ConformanceResponseResult{name}")(value)


def main() -> None:
    """Answers until the runner has no more requests. An error that is no CodecError ends the program with its text."""
    kinds = {judged.type_name: getattr(import_module(judged.package), judged.class_name) for judged in JUDGED}
    testee = Testee(import_module(PROTOCOL), kinds)
    while data := _read(sys.stdin.buffer):
        _write(sys.stdout.buffer, testee.answer(data))


def _read(source: BinaryIO) -> bytes:
    """The next request; empty at the end, as no request is."""
    return source.read(int.from_bytes(source.read(4), "little"))


def _write(target: BinaryIO, data: bytes) -> None:
    target.write(len(data).to_bytes(4, "little") + data)
    target.flush()


if __name__ == "__main__":
    main()
