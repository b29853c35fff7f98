"""What a syntax, an edition and its features mean for fields and enums."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventflux_codegen.model import Cardinality
from eventflux_codegen.package import Package
from tests.support.workspace import CONFIG, Workspace


def built(tmp_path: Path, proto: str) -> Package:
    workspace = Workspace(tmp_path)
    workspace.write(config=CONFIG, proto=proto)
    return workspace.facts()[2]


@pytest.mark.parametrize(
    ("proto", "cardinality"),
    [
        ('syntax = "proto3"; message M { int32 f = 1; }', Cardinality.SINGLE),
        ('syntax = "proto3"; message M { optional int32 f = 1; }', Cardinality.OPTIONAL),
        ('syntax = "proto3"; message M { M f = 1; }', Cardinality.OPTIONAL),
        ('syntax = "proto2"; message M { optional int32 f = 1; }', Cardinality.OPTIONAL),
        ('syntax = "proto2"; message M { required int32 f = 1; }', Cardinality.REQUIRED),
        ("message M { required M f = 1; }", Cardinality.REQUIRED),
        ('edition = "2023"; message M { int32 f = 1; }', Cardinality.OPTIONAL),
        ('edition = "2023"; message M { int32 f = 1 [features.field_presence = IMPLICIT]; }', Cardinality.SINGLE),
        ('edition = "2023"; option features.field_presence = IMPLICIT; message M { int32 f = 1; }', Cardinality.SINGLE),
        (
            'edition = "2023"; option features.field_presence = IMPLICIT; message M { M f = 1; }',
            Cardinality.OPTIONAL,
        ),
        (
            'edition = "2023"; message M { int32 f = 1 [features.field_presence = LEGACY_REQUIRED]; }',
            Cardinality.REQUIRED,
        ),
    ],
)
def test_presence(tmp_path: Path, proto: str, cardinality: Cardinality) -> None:
    (field,) = built(tmp_path, proto).messages[0].fields
    assert field.cardinality is cardinality


@pytest.mark.parametrize(
    ("proto", "is_packed"),
    [
        ('syntax = "proto3"; message M { repeated int32 f = 1; }', True),
        ('syntax = "proto3"; message M { repeated int32 f = 1 [packed = false]; }', False),
        ('syntax = "proto3"; message M { repeated string f = 1; }', False),
        ('syntax = "proto2"; message M { repeated int32 f = 1; }', False),
        ('syntax = "proto2"; message M { repeated int32 f = 1 [packed = true]; }', True),
        ('edition = "2023"; message M { repeated int32 f = 1; }', True),
        (
            'edition = "2023"; option features.repeated_field_encoding = EXPANDED; message M { repeated int32 f = 1; }',
            False,
        ),
    ],
)
def test_packing(tmp_path: Path, proto: str, is_packed: bool) -> None:
    (field,) = built(tmp_path, proto).messages[0].fields
    assert field.is_packed is is_packed


@pytest.mark.parametrize(
    ("proto", "is_closed"),
    [
        ('syntax = "proto3"; enum E { A = 0; }', False),
        ('syntax = "proto2"; enum E { A = 0; }', True),
        ('edition = "2023"; enum E { A = 0; }', False),
        ('edition = "2023"; enum E { option features.enum_type = CLOSED; A = 0; }', True),
        ('edition = "2023"; option features.enum_type = CLOSED; message M { enum E { A = 0; } }', True),
    ],
)
def test_closed_enums(tmp_path: Path, proto: str, is_closed: bool) -> None:
    (enum,) = built(tmp_path, proto).enums
    assert enum.is_closed is is_closed


def test_the_entries_of_a_map_are_no_groups(tmp_path: Path) -> None:
    head = 'edition = "2023"; option features.message_encoding = DELIMITED; '
    (field,) = built(tmp_path, head + "message M { map<string, int32> f = 1; }").messages[0].fields
    assert field.cardinality is Cardinality.MAP


def test_of_an_imported_file_there_is_what_is_used_of_it(tmp_path: Path) -> None:
    service = "service S { rpc Do(Used) returns (Used); }"
    other = f"message Used {{ Kind kind = 1; }} message Unused {{}} enum Kind {{ A = 0; }} {service}"
    (tmp_path / "other.proto").write_text(f'syntax = "proto3"; package o; {other}')
    package = built(tmp_path, 'syntax = "proto3"; import "other.proto"; message M { o.Used used = 1; }')
    assert {own.full_name for own in package.messages} == {"M", "o.Used"}
    assert [own.full_name for own in package.enums] == ["o.Kind"]
    assert package.services == ()


def test_a_file_of_proto2_that_is_only_imported_has_no_messages_here(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (tmp_path / "other.proto").write_text('syntax = "proto2"; package o; message Used {}')
    proto = 'syntax = "proto3"; import "other.proto";\nmessage M {\n  o.Used used = 1;\n}\n'
    workspace.write(proto=proto)
    expected = (
        "sample.proto:3: M.used has the type o.Used of other.proto, which is proto2: add that file to protos, too"
    )
    assert workspace.refusal() == expected
    workspace.write(config="package: sample\nprotos: [sample.proto, other.proto]\n", proto=proto)
    workspace.generate()
