"""Messages as they arrive: decoded at once, or packed until somebody wants them.

A message that arrives compressed stays so until the application takes it: flow control counts what is on the wire, so
a peer could otherwise fill the memory with a few bytes that expand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from eventflux_runtime.rpc.config import COMPRESSION_OF_ID
from eventflux_runtime.rpc.errors import CodecError

if TYPE_CHECKING:
    from eventflux_runtime.compression.expansion import Loan
    from eventflux_runtime.protocol.core.event import MessageReceived, StatusReceived, StreamOpened

__all__ = ["PackedMessage", "decoded", "decoded_of"]


class PackedMessage:
    """A message as it arrived, compressed."""

    __slots__ = ("_compression_id", "_data", "_decode", "_max_bytes")

    def __init__(
        self, data: bytes, compression_id: int, decode: Callable[[bytes, int, int], Any], max_bytes: int
    ) -> None:
        self._data = data
        self._compression_id = compression_id
        self._decode = decode
        self._max_bytes = max_bytes

    def unpack(self, loan: Loan) -> Any:
        """The message itself, which the call holds on `loan` from then on.

        Raises:
            ResourceExhausted: decompressed, it is longer than this side's limit, or there is no room for it now.
            CodecError: the bytes do not decompress, or do not decode.
        """
        plain = loan.expand(COMPRESSION_OF_ID[self._compression_id], self._data, self._max_bytes)
        try:
            return self._decode(plain, 0, len(plain))
        except CodecError:
            raise
        except Exception as failure:  # as in `decoded`
            raise _misfit(failure) from failure


def decoded(
    decode: Callable[[bytes, int, int], Any], data: bytes, start: int, end: int, compression_id: int, max_bytes: int
) -> Any:
    """The message in ``data[start:end]``, or what stands in its place: a CodecError, or a PackedMessage."""
    if compression_id:
        return PackedMessage(data[start:end], compression_id, decode, max_bytes)
    try:
        return decode(data, start, end)
    except CodecError as error:
        return error
    except Exception as failure:  # noqa: BLE001 - a codec's own fault is the call's too, never the connection's
        return _misfit(failure)


def decoded_of(
    decode: Callable[[bytes, int, int], Any], event: MessageReceived | StatusReceived | StreamOpened, max_bytes: int
) -> Any:
    """The message of an event, as `decoded` has it."""
    return decoded(decode, event.data, event.start, event.end, event.compression_id, max_bytes)


def _misfit(failure: Exception) -> CodecError:
    misfit = CodecError(f"{type(failure).__name__}: {failure}")
    misfit.__cause__ = failure
    return misfit
