"""Every mistake in the sources: one line with file, line and what would be valid, and nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.workspace import CONFIG, PROTO, Workspace

RENAME = "give one a 'name' in the options"

IN_OPTIONS = {
    "unknown key": (
        CONFIG + "outptu: x\n",
        "sample.yaml:3: unknown key 'outptu': did you mean 'output'?",
    ),
    "unknown nested key": (
        CONFIG + "messages:\n  Point:\n    alias: [P]\n",
        "sample.yaml:5: messages.Point: unknown key 'alias': did you mean 'aliases'?",
    ),
    "unknown method key": (
        CONFIG + "services:\n  Plane:\n    methods:\n      Move:\n        tiemout_s: 1\n",
        "sample.yaml:7: services.Plane.methods.Move: unknown key 'tiemout_s': did you mean 'timeout_s'?",
    ),
    "missing key": ("package: sample\n", "sample.yaml:1: key 'protos' is missing: add it"),
    "empty": ("", "sample.yaml: is empty: give at least package and protos"),
    "not a mapping": ("- a\n- b\n", "sample.yaml:1: expected a mapping of keys to values, not a list"),
    "wrong type": (
        CONFIG + "messages:\n  Point: [x]\n",
        "sample.yaml:4: messages.Point: expected a mapping of keys to values, not a list",
    ),
    "text for a list": (
        "package: sample\nprotos: sample.proto\n",
        "sample.yaml:2: protos: expected a list, not 'sample.proto'",
    ),
    "text for a number": (
        CONFIG + "services:\n  Plane:\n    methods:\n      Move: {timeout_s: soon}\n",
        "sample.yaml:6: services.Plane.methods.Move.timeout_s: expected a number, not 'soon'",
    ),
    "text for a bool": (
        CONFIG + "services:\n  Plane:\n    methods:\n      Move: {idempotent: maybe}\n",
        "sample.yaml:6: services.Plane.methods.Move.idempotent: expected true or false, not 'maybe'",
    ),
    "key twice": (CONFIG + "package: again\n", "sample.yaml:3: key 'package' stands here a second time: keep one"),
    "not YAML": (CONFIG + "enums: {a: [}\n", "sample.yaml:3: not valid YAML: expected the node content, but found '}'"),
    "tab": (
        CONFIG + "\tenums: 1\n",
        "sample.yaml:3: not valid YAML: found character '\\t' that cannot start any token",
    ),
    "bad package": (
        "package: my-sdk\nprotos: [sample.proto]\n",
        "sample.yaml:1: package 'my-sdk' is not a name that Python takes",
    ),
    "keyword package": (
        "package: class\nprotos: [sample.proto]\n",
        "sample.yaml:1: package 'class' is not a name that Python takes",
    ),
    "no such proto": (
        "package: sample\nprotos: [sampel.proto]\n",
        "sample.yaml:2: no such file: 'sampel.proto': did you mean 'sample.proto'?",
    ),
    "no proto": ("package: sample\nprotos: []\n", "sample.yaml:2: protos is empty: name at least one .proto file"),
    "no such include": (CONFIG + "include: [., nowhere]\n", "sample.yaml:3: no such directory: nowhere"),
    "unknown message": (
        CONFIG + "messages:\n  Pointt: {}\n",
        "sample.yaml:4: messages: no message is named 'Pointt': did you mean 'Point'?",
    ),
    "unknown enum": (
        CONFIG + "enums:\n  Colour: {}\n",
        "sample.yaml:4: enums: no enum is named 'Colour': did you mean 'Color'?",
    ),
    "unknown service": (
        CONFIG + "services:\n  Plain: {}\n",
        "sample.yaml:4: services: no service is named 'Plain': did you mean 'Plane'?",
    ),
    "unknown method": (
        CONFIG + "services:\n  Plane:\n    methods:\n      Moev: {}\n",
        "sample.yaml:6: demo.Plane has no method 'Moev': did you mean 'Move'?",
    ),
    "message twice": (
        CONFIG + "messages:\n  Point: {}\n  demo.Point: {}\n",
        "sample.yaml:5: messages: 'demo.Point' and 'Point' are the same message: keep one",
    ),
    "unknown unit field": (
        CONFIG + "messages:\n  Point:\n    units:\n      z: mm\n",
        "sample.yaml:6: demo.Point has no field 'z': valid are: color, notes, x, y",
    ),
    "bad prefix": (
        CONFIG + "enums:\n  Color: {strip_prefix: COLOUR_}\n",
        "sample.yaml:4: strip_prefix 'COLOUR_' does not leave a name of COLOR_NONE: give a prefix that every value has",
    ),
    "factory argument": (
        CONFIG + "messages:\n  Point:\n    factories:\n      at:\n        arguments: [x, z]\n",
        "sample.yaml:7: no field is named 'z': valid are: color, notes, x, y",
    ),
    "factory member": (
        CONFIG + "messages:\n  Point:\n    factories:\n      red:\n        set: {color: RET}\n",
        "sample.yaml:7: Color has no member 'RET': did you mean 'RED'?",
    ),
    "factory value": (
        CONFIG + "messages:\n  Point:\n    factories:\n      red:\n        set: {x: far}\n",
        "sample.yaml:7: 'far' is no value for x, which takes an int from -2147483648 to 2147483647",
    ),
    "factory of a map": (
        CONFIG + "messages:\n  Point:\n    factories:\n      red:\n        set: {notes: x}\n",
        "sample.yaml:7: notes holds no single value, so it cannot be set here",
    ),
    "factory twice": (
        CONFIG + "messages:\n  Point:\n    factories:\n      red: {arguments: [x], set: {x: '1'}}\n",
        "sample.yaml:6: x is an argument already: drop one",
    ),
    "factory name": (
        CONFIG + "messages:\n  Point:\n    factories:\n      to_wire: {}\n",
        "sample.yaml:6: 'to_wire' is taken by a field or method of the message: choose another",
    ),
    "factory keyword": (
        CONFIG + "messages:\n  Point:\n    factories:\n      import: {}\n",
        "sample.yaml:6: 'import' is not a name that Python takes: choose another",
    ),
    "builder twice": (
        CONFIG + "messages:\n  Point:\n    factories:\n      make: {}\n    builders:\n      make: notes\n",
        "sample.yaml:8: 'make' is a factory already: choose another name",
    ),
    "builder of a number": (
        CONFIG + "messages:\n  Point:\n    builders:\n      with_x: x\n",
        "sample.yaml:6: x is neither a map nor repeated: only those have entries to add",
    ),
    "layout field": (
        CONFIG + "messages:\n  Point:\n    layouts:\n      flat:\n        fields: [x, yy]\n",
        "sample.yaml:7: no field is named 'yy': did you mean 'y'?",
    ),
    "layout field twice": (
        CONFIG + "messages:\n  Point:\n    layouts:\n      flat:\n        fields:\n        - x\n        - x\n",
        "sample.yaml:9: field 'x' stands here a second time: keep one",
    ),
    "layout variant": (
        CONFIG + "messages:\n  Point:\n    layouts:\n      flat: {fields: [color], variants: {color: [RED, BLUE]}}\n",
        "sample.yaml:6: Color has no member 'BLUE': valid are: NONE, RED",
    ),
    "layout variant of a number": (
        CONFIG + "messages:\n  Point:\n    layouts:\n      flat: {fields: [x], variants: {x: [RED]}}\n",
        "sample.yaml:6: x is not a single enum field of this layout: variants are for those",
    ),
    "layout native": (
        CONFIG + "messages:\n  Point:\n    layouts:\n      native: {fields: [x]}\n",
        "sample.yaml:6: layout 'native' is built in: choose another name",
    ),
    "alias taken": (
        CONFIG + "messages:\n  Point:\n    aliases: [Color]\n",
        "sample.yaml:5: an alias of demo.Point and demo.Color (sample.proto:9) would both be named Color in Python: "
        + RENAME,
    ),
    "timeout": (
        CONFIG + "services:\n  Plane:\n    methods:\n      Move: {timeout_s: 0}\n",
        "sample.yaml:6: timeout_s must be above 0 and at most 1000000000, not 0.0",
    ),
    "timeout without end": (
        CONFIG + "services:\n  Plane:\n    methods:\n      Move: {timeout_s: 1e400}\n",
        "sample.yaml:6: timeout_s must be above 0 and at most 1000000000, not inf",
    ),
    "retry without idempotent": (
        CONFIG + "services:\n  Plane:\n    methods:\n      Move: {retry: {max_attempts: 3}}\n",
        "sample.yaml:6: retry is for methods that are idempotent: say idempotent: true, or drop it",
    ),
    "retry limit": (
        CONFIG + "services:\n  Plane:\n    methods:\n      Move: {idempotent: true, retry: {max_attempts: 0}}\n",
        "sample.yaml:6: max_attempts must be at least 1 and at most 2147483647, not 0",
    ),
    "retry backoff": (
        CONFIG + "services:\n  Plane:\n    methods:\n      Move: {idempotent: true, retry: {max_backoff_s: 2e9}}\n",
        "sample.yaml:6: max_backoff_s must be above 0 and at most 1000000000, not 2000000000.0",
    ),
    "retry code": (
        CONFIG + "services:\n  Plane:\n    methods:\n      Move: {idempotent: true, retry: {codes: [BUSY]}}\n",
        (
            "sample.yaml:6: services.Plane.methods.Move.retry.codes[0]: 'BUSY' is not valid: valid are: ABORTED, "
            "ALREADY_EXISTS, CANCELLED, DATA_LOSS, DEADLINE_EXCEEDED, FAILED_PRECONDITION, INTERNAL, INVALID_ARGUMENT, "
            "NOT_FOUND, OUT_OF_RANGE, PERMISSION_DENIED, RESOURCE_EXHAUSTED, ..."
        ),
    ),
    "compression": (
        CONFIG + "services:\n  Plane:\n    methods:\n      Move: {compression: zip}\n",
        "sample.yaml:6: services.Plane.methods.Move.compression: 'zip' is not valid: did you mean 'gzip'?",
    ),
    "error code": (
        CONFIG + "services:\n  Plane:\n    methods:\n      Move:\n        errors:\n        - NOT_FUOND\n",
        "sample.yaml:8: 'NOT_FUOND' is no status code: did you mean 'NOT_FOUND'?",
    ),
}

IN_PROTO = {
    "syntax": (PROTO.replace("int32 y = 2;", "int32 y = ;"), "sample.proto:5: Expected field number."),
    "unknown type": (PROTO.replace("int32 y", "Pixel y"), 'sample.proto:5: "Pixel" is not defined.'),
    "unknown import": (
        PROTO.replace("package demo;", 'package demo;\nimport "other.proto";'),
        'sample.proto:3: Import "other.proto" was not found or had errors.',
    ),
    "number twice": (
        PROTO.replace("int32 y = 2", "int32 y = 1"),
        (
            'sample.proto:5: Field number 1 has already been used in "demo.Point" by field "x". '
            "Next available field number is 2."
        ),
    ),
    "group": (
        'syntax = "proto2";\nmessage A {\n  optional group Part = 1 { optional int32 x = 2; }\n}\n',
        "sample.proto:3: A.part is a group, and no message class has those: make it a field of its own",
    ),
    "delimited": (
        ('edition = "2023";\nmessage B {}\nmessage A {\n  B b = 1 [features.message_encoding = DELIMITED];\n}\n'),
        "sample.proto:4: A.b is a group, and no message class has those: make it a field of its own",
    ),
    "extension": (
        'syntax = "proto2";\nmessage A { extensions 5; }\nextend A {\n  optional int32 x = 5;\n}\n',
        "sample.proto:4: x of A is an extension, and no message class has those: make it a field of its own",
    ),
    "extension in a message": (
        'syntax = "proto2";\nmessage A {\n  extensions 5;\n  extend A {\n    optional int32 x = 5;\n  }\n}\n',
        "sample.proto:5: x of A is an extension, and no message class has those: make it a field of its own",
    ),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.mark.parametrize(("config", "expected"), IN_OPTIONS.values(), ids=IN_OPTIONS)
def test_a_mistake_in_the_options(workspace: Workspace, config: str, expected: str) -> None:
    workspace.write(config=config)
    assert workspace.refusal() == expected


@pytest.mark.parametrize(("proto", "expected"), IN_PROTO.values(), ids=IN_PROTO)
def test_a_mistake_in_the_proto(workspace: Workspace, proto: str, expected: str) -> None:
    workspace.write(proto=proto)
    assert workspace.refusal() == expected


def test_no_such_configuration(workspace: Workspace) -> None:
    assert workspace.refusal() == "sample.yaml: cannot be read: no such file or directory"


def test_a_configuration_that_is_not_text(workspace: Workspace) -> None:
    workspace.write()
    workspace.config.write_bytes(b"package: \xff\n")
    assert workspace.refusal() == "sample.yaml: is not UTF-8 at byte 9"


def test_a_mistake_in_an_imported_file_names_that_file(workspace: Workspace) -> None:
    workspace.write(proto=PROTO.replace("package demo;", 'package demo;\nimport "other.proto";'))
    (workspace.root / "other.proto").write_text('syntax = "proto3";\nmessage {}\n')
    assert workspace.refusal() == "other.proto:2: Expected message name."


def test_a_mistake_leaves_an_earlier_package_as_it_was(workspace: Workspace) -> None:
    workspace.write()
    workspace.generate()
    workspace.write(config=CONFIG + "messages:\n  Pointt: {}\n")
    workspace.refusal()
    assert (workspace.output / "codec.py").exists()
