"""Files become payloads, and a wrong line is named by its number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eventflux_node.event_file import FileFormat, UnreadableFileError, format_of, read_payloads


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
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, file_format: FileFormat, content: bytes, fault: str) -> None:
    with pytest.raises(UnreadableFileError, match=fault.replace("(", r"\(")):
        payloads(tmp_path, content, file_format)


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
