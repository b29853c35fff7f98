"""Files become messages, and a wrong line is named by its number."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from eventflux_node.event_file import EventFile, FileFormat, UnreadableFileError, format_of, read_payloads
from eventflux_transport import MessageType


def payloads(folder: Path, content: bytes, file_format: FileFormat) -> list[bytes]:
    path = folder / "data"
    path.write_bytes(content)
    return list(read_payloads(path, file_format))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "csv"),
        ("a.CSV", "csv"),
        ("a.jsonl", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.txt", "lines"),
        ("a", "lines"),
    ],
)
def test_the_name_tells_the_format(name: str, expected: str) -> None:
    assert format_of(Path(name)) == expected


def test_csv_rows_become_json_objects(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbfdate,temp\r\n2010/01/01,39.4\r\n"a ""b"", c",\r\n\r\n"two\nlines",1\n'
    assert [json.loads(payload) for payload in payloads(tmp_path, content, "csv")] == [
        {"date": "2010/01/01", "temp": "39.4"},
        {"date": 'a "b", c', "temp": ""},
        {"date": "two\nlines", "temp": "1"},
    ]


def test_json_lines_are_sent_as_they_stand(tmp_path: Path) -> None:
    content = '{"a": 1}\n\n  [1,2]  \n"\u00fc"'.encode()
    assert payloads(tmp_path, content, "jsonl") == [b'{"a": 1}', b"[1,2]", '"\u00fc"'.encode()]


def test_plain_lines_are_sent_as_they_stand(tmp_path: Path) -> None:
    assert payloads(tmp_path, b"a\r\n\n \xff \nlast", "lines") == [b"a", b"", b" \xff ", b"last"]


def test_an_empty_file_has_no_payload(tmp_path: Path) -> None:
    assert payloads(tmp_path, b"", "csv") == payloads(tmp_path, b"", "jsonl") == payloads(tmp_path, b"", "lines") == []


@pytest.mark.parametrize(
    ("file_format", "content", "fault"),
    [
        ("csv", b"a,b\n1,2\n1,2,3\n", "line 3: 3 fields where the header has 2"),
        ("csv", b"a,b\n1\n", "line 2: 1 fields where the header has 2"),
        ("csv", b"a,a\n", "line 1: the header must name each column once, and the name 'a' stands twice"),
        ("csv", b"a,\n", "line 1: the header must name each column once, and a name is empty"),
        ("csv", b'a\n"x"y\n', "line 2: not CSV"),
        ("csv", b"a\n1\n\xff\n", "line 3: not UTF-8"),
        ("jsonl", b"{}\n{]\n", "line 2: not JSON"),
        ("jsonl", b"{}\n\xe4\n", "line 2: not UTF-8"),
        ("jsonl", b"{}\n" + b"[" * 100_000 + b"]" * 100_000 + b"\n", "line 2: nested too deep"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, file_format: FileFormat, content: bytes, fault: str) -> None:
    with pytest.raises(UnreadableFileError, match=fault.replace("(", r"\(")):
        payloads(tmp_path, content, file_format)


def test_a_cell_may_be_as_long_as_a_message(tmp_path: Path) -> None:
    (payload,) = payloads(tmp_path, b"a\n" + b"x" * 200_000 + b"\n", "csv")
    assert payload == b'{"a":"' + b"x" * 200_000 + b'"}'


def test_what_comes_before_a_wrong_line_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"1\n2\nnot json\n")
    records = read_payloads(path, "jsonl")
    assert [next(records), next(records)] == [b"1", b"2"]
    with pytest.raises(UnreadableFileError):
        next(records)


@pytest.mark.parametrize(("name", "reason"), [("missing.csv", "no such file"), (".", "is a directory")])
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(UnreadableFileError, match=reason):
        next(read_payloads(tmp_path / name, "lines"))


async def test_records_become_messages(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"1\n2\n" * 300)
    events = EventFile(path=path, stream="s", message_type=MessageType.STATE, source_node="n")
    messages = [message async for message in events.messages()]
    assert [message.payload for message in messages] == [b"1", b"2"] * 300
    assert {message.message_type for message in messages} == {MessageType.STATE}
    assert {(message.headers["stream"], message.source_node) for message in messages} == {("s", "n")}
    assert len({message.id for message in messages}) == 600
    assert all(message.timestamp > 1_700_000_000_000 for message in messages)


async def test_messages_before_a_wrong_line_are_given(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_bytes(b"1\n2\nnot json\n")
    got: list[bytes] = []
    with pytest.raises(UnreadableFileError, match="line 3: not JSON"):
        async for message in EventFile(path=path, stream="s", file_format="jsonl").messages():
            got.append(message.payload)
    assert got == [b"1", b"2"]


def test_lines_are_counted_in_what_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_bytes(b"1\n\n3")
    assert EventFile(path=path, stream="s").line_count() == 2
    os.mkfifo(tmp_path / "pipe")
    assert EventFile(path=tmp_path / "pipe", stream="s").line_count() is None


@pytest.mark.parametrize(
    ("file_format", "content", "good", "faults"),
    [
        ("csv", b'a,b\n1,2\n1\n"x"y,2\n\xff,1\n3,4\n', [b'{"a":"1","b":"2"}', b'{"a":"3","b":"4"}'], [3, 4, 5]),
        ("jsonl", b"1\n{]\n\xe4\n2\n" + b"[" * 100_000 + b"\n3", [b"1", b"2", b"3"], [2, 3, 5]),
        ("lines", b"\xff\n", [b"\xff"], []),
    ],
)
def test_wrong_lines_are_left_out_where_that_is_asked_for(
    tmp_path: Path, file_format: FileFormat, content: bytes, good: list[bytes], faults: list[int]
) -> None:
    path = tmp_path / "data"
    path.write_bytes(content)
    told: list[UnreadableFileError] = []
    assert list(read_payloads(path, file_format, told.append)) == good
    assert [str(error).partition(":")[0] for error in told] == [f"{path}, line {number}" for number in faults]


def test_a_wrong_header_is_an_error_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"a,a\n1,2\n")
    with pytest.raises(UnreadableFileError, match="stands twice"):
        list(read_payloads(tmp_path / "data", "csv", lambda error: None))
