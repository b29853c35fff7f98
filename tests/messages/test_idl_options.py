"""What the options of an IDL say: deprecated, idempotency_level, debug_redact."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from eventflux_runtime import CodecError
from kitchen_package import Aged, KnownClient, KnownService, Secret, SecretWayPin, SecretWayToken, client, methods
from kitchen_package import messages as kitchen_messages

ROOT = Path(__file__).parents[2]
# Type checkers tell of what is deprecated where it is named.
OldKnownClient: Any = vars(client)["OldKnownClient"]
OldMood: Any = vars(kitchen_messages)["OldMood"]
OldSecret: Any = vars(kitchen_messages)["OldSecret"]


def test_what_is_redacted_is_not_shown() -> None:
    secret = Secret(user="u", password="p", way=SecretWayToken("t"), keys=["k"], inner=Secret(user="i"))
    shown = (
        "Secret(user='u', password=<redacted>, way=SecretWayToken(value=<redacted>), keys=<redacted>, inner=<redacted>)"
    )
    assert repr(secret) == str(secret) == shown
    assert repr(Secret(way=SecretWayPin(7))).count("SecretWayPin(value=7)") == 1
    assert [name for name, _ in secret.__rich_repr__()] == ["user", "password", "way", "keys", "inner"]
    assert "'p'" not in str(secret.__rich_repr__())
    assert "'t'" not in str(SecretWayToken("t").__rich_repr__())


def test_it_is_kept_all_the_same() -> None:
    secret = Secret(password="p", way=SecretWayToken("t"))
    assert copy.copy(secret) == pickle.loads(pickle.dumps(secret)) == secret != Secret(way=SecretWayToken("t"))
    for again in (Secret.from_wire(secret.to_wire()), Secret.from_protobuf(secret.to_protobuf())):
        assert again == secret
    assert Secret.from_json(secret.to_json()) == secret


def test_errors_do_not_show_it_either() -> None:
    wrong = Secret(password=["word"], keys=["k", 5])  # type: ignore[arg-type, list-item] # wrong on purpose
    for attempt in (wrong.to_wire, wrong.to_protobuf, wrong.to_json):
        with pytest.raises(CodecError, match="^Secret.password: expected .*; found <redacted>$"):
            attempt()
    for text in ('{"password": ["word"]}', '{"inner": {"user": ["word"]}}', '{"keys": ["word", ["word"]]}'):
        with pytest.raises(CodecError, match="; found <redacted>$") as caught:
            Secret.from_json(text)
        assert "word'" not in str(caught.value)


def test_a_deprecated_method_warns_where_it_is_called() -> None:
    known: Any = KnownClient
    client = known(None)
    told = "^kitchen.known.Known.Find: Deprecated: call Look.$"
    with pytest.warns(DeprecationWarning, match=told) as caught, pytest.raises(AttributeError):
        client.find(None)
    assert caught[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="^kitchen.known.OldKnown is deprecated$"):
        OldKnownClient(None)


def test_a_deprecated_message_is_marked_and_warns_nobody_who_reads_it() -> None:
    assert OldSecret.__deprecated__ == "kitchen.known.OldSecret: Deprecated: use Secret. It says the same."
    assert OldMood.__deprecated__ == "kitchen.known.OldMood is deprecated"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aged = Aged(secret=OldSecret(text="t"), mood=OldMood.WILD)
        assert Aged.from_protobuf(aged.to_protobuf()) == Aged.from_wire(aged.to_wire()) == aged


def test_docstrings_say_what_is_deprecated() -> None:
    assert (OldMood.__doc__ or "").endswith("Deprecated.\n    ")
    assert "Deprecated: use Secret." in (OldSecret.__doc__ or "")
    source = inspect.getsource(kitchen_messages)
    assert '"""The name before.\n\n    Deprecated.\n    """' in source
    assert '"""Nobody was.\n\n    Deprecated.\n    """' in source
    assert "Deprecated: call Look." in (KnownService.find.__doc__ or "")


def test_type_checkers_tell_users_and_not_the_package(tmp_path: Path) -> None:
    program = tmp_path / "user.py"
    program.write_text("from kitchen_package import Aged, OldSecret\n\nAged(secret=OldSecret())\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--enable-error-code=deprecated", "--cache-dir", str(tmp_path)]
    modules = ("__init__.pyi", "client.py", "codec.py", "json_fields.py", "messages.py", "protobuf.py", "service.py")
    own = [str(ROOT / "tests/generated/kitchen_package" / name) for name in modules]
    done = subprocess.run(
        [*command, "--follow-imports=silent", str(program), *own],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"MYPYPATH": f"{ROOT / 'runtime'}:{ROOT / 'tests/generated'}", "PATH": ""},
    )
    *found, _ = done.stdout.splitlines()
    told = "is deprecated: kitchen.known.OldSecret: Deprecated: use Secret. It says the same."
    assert found
    for line in found:
        assert line.startswith("user.py:")
        assert told in line


def test_idempotency_levels_reach_the_methods() -> None:
    assert methods.KNOWN_LOOK.idempotent
    assert methods.KNOWN_PUT.idempotent
    assert not methods.KNOWN_FIND.idempotent
    assert not methods.KITCHEN_IMPORT.idempotent
