from __future__ import annotations

import pytest

from eventflux_runtime.protocol.grpc.http2 import encoding_name
from eventflux_runtime.protocol.grpc.http2.encoding_name import (
    ENCODING_NAMES,
    MAX_KNOWN_LIST_BYTES,
    MAX_KNOWN_LISTS,
    accepted_of,
    encoding_id_of,
)
from eventflux_runtime.rpc.config import COMPRESSION_IDS


def test_each_compression_has_its_name() -> None:
    assert {name.decode(): number for number, name in ENCODING_NAMES.items()} == {
        compression.value: number for compression, number in COMPRESSION_IDS.items()
    }
    for number, name in ENCODING_NAMES.items():
        assert encoding_id_of(name) == number
        assert accepted_of(name) == {number}


def test_no_compression_and_unknown_ones() -> None:
    assert encoding_id_of(b"identity") == encoding_id_of(b"") == 0
    assert encoding_id_of(b"br") == -1


@pytest.mark.parametrize("value", [b"", b"identity", b"br", b",", b"gzip\tlz4", b"GZIP"])
def test_a_list_may_have_nothing_for_us(value: bytes) -> None:
    assert accepted_of(value) == frozenset()


def test_few_short_lists_are_remembered() -> None:
    for number in range(MAX_KNOWN_LISTS * 2):
        assert accepted_of(b"gzip,unknown%d" % number) == {4}
        assert accepted_of(b"zstd," + b"x" * MAX_KNOWN_LIST_BYTES + b"%d" % number) == {3}
    known = encoding_name._known_lists
    assert 0 < len(known) <= MAX_KNOWN_LISTS
    assert max(map(len, known)) <= MAX_KNOWN_LIST_BYTES
