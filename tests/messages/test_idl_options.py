"""What the options of an IDL say: deprecated, idempotency_level, debug_redact."""

from __future__ import annotations

import copy
import inspect
import pickle
import pprint
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from eventflux_runtime import CodecError
from eventflux_runtime.well_known import Any as Any_
from eventflux_runtime.well_known import Duration
from kitchen_package import (
    Aged,
    Coin,
    KnownClient,
    KnownService,
    Secret,
    SecretWayPin,
    SecretWayToken,
    Vault,
    VaultLockPassword,
    VaultLockScheme,
    VaultLockShape,
    VaultLockToken,
    client,
    methods,
)
from kitchen_package import messages as kitchen_messages

ROOT = Path(__file__).parents[2]
# Type checkers tell of what is deprecated where it is named.
OldKnownClient: Any = vars(client)["OldKnownClient"]
AgedSignWord: Any = vars(kitchen_messages)["AgedSignWord"]
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


HUSH = "hush"
SHOWN = Coin(text="seen", owner=HUSH)
HIDDEN: list[Any] = [
    Vault(codes={HUSH: HUSH}),
    Vault(coin=Coin(text=HUSH)),
    Vault(coins=[Coin(text=HUSH)]),
    Vault(coin_by_name={HUSH: Coin(text=HUSH)}),
    Vault(lock=VaultLockToken(Coin(text=HUSH))),
    Vault(lock=VaultLockPassword(HUSH)),
    Vault(lock=VaultLockScheme({HUSH: HUSH})),
    Vault(json={HUSH: HUSH}),
    Vault(text=HUSH),
    Vault(anything=Any_(HUSH, HUSH.encode())),
    Vault(shown=SHOWN),
]
WRONG: list[Any] = [HUSH]
MISTAKEN: list[Any] = [
    Vault(codes={HUSH: WRONG}),  # type: ignore[dict-item] # wrong on purpose
    Vault(codes={HUSH: "\ud800"}),
    Vault(coin=WRONG),  # type: ignore[arg-type] # wrong on purpose
    Vault(coin=Coin(text=WRONG)),  # type: ignore[arg-type] # wrong on purpose
    Vault(coins=[Coin(text=WRONG)]),  # type: ignore[arg-type] # wrong on purpose
    Vault(coin_by_name={HUSH: Coin(text=WRONG)}),  # type: ignore[arg-type] # wrong on purpose
    Vault(lock=VaultLockToken(Coin(text=WRONG))),  # type: ignore[arg-type] # wrong on purpose
    Vault(lock=VaultLockToken(WRONG)),  # type: ignore[arg-type] # wrong on purpose
    Vault(lock=VaultLockPassword(WRONG)),  # type: ignore[arg-type] # wrong on purpose
    Vault(lock=VaultLockScheme({HUSH: {HUSH}})),
    Vault(lock=HUSH),  # type: ignore[arg-type] # wrong on purpose
    Vault(lock=Coin(text=HUSH)),  # type: ignore[arg-type] # wrong on purpose
    Vault(json={HUSH: {HUSH}}),
    Vault(text=WRONG),  # type: ignore[arg-type] # wrong on purpose
    Vault(anything=Any_(WRONG)),  # type: ignore[arg-type] # wrong on purpose
    Vault(span=Duration(HUSH)),  # type: ignore[arg-type] # wrong on purpose
    Vault(mood=HUSH),  # type: ignore[arg-type] # wrong on purpose
    Vault(shown=Coin(text="seen", owner=WRONG)),  # type: ignore[arg-type] # wrong on purpose
]


@pytest.mark.parametrize("message", [*HIDDEN, *MISTAKEN])
def test_what_is_redacted_is_shown_nowhere(message: Any) -> None:
    shown = [repr(message), str([message]), pprint.pformat(message), str(message.__rich_repr__()), repr(message.lock)]
    assert [text for text in shown[:-1] if HUSH in text] == []
    assert isinstance(message.lock, str | Coin) or HUSH not in shown[-1]


@pytest.mark.parametrize("message", MISTAKEN)
@pytest.mark.parametrize("way", ["to_wire", "to_protobuf", "to_json"])
def test_no_encoder_tells_it(message: Any, way: str) -> None:
    with pytest.raises(CodecError, match=r"; found (VaultLock\w+\(value=)?<redacted>\)?$") as caught:
        getattr(message, way)()
    assert HUSH not in f"{caught.value} {vars(caught.value)}"


def test_a_time_that_is_none_tells_it_neither() -> None:
    with pytest.raises(CodecError, match=r"^Vault.span: expected a time within its range$"):
        Vault(span=Duration(77_777_777_777_777)).to_json()


def test_what_is_not_redacted_is_told_all_the_same() -> None:
    wrong = Vault(shown=Coin(text=WRONG))  # type: ignore[arg-type] # wrong on purpose
    for attempt in (wrong.to_wire, wrong.to_protobuf, wrong.to_json):
        with pytest.raises(CodecError, match=r"text: expected .*; found \['hush'\]$"):
            attempt()
    with pytest.raises(CodecError, match=r"^Vault.shown: has no field 'hush'; its fields are: text, number, owner$"):
        Vault.from_json('{"shown": {"hush": 1}}')
    assert repr(Vault(lock=VaultLockShape(7))).count("lock=VaultLockShape(value=7)") == 1


def test_no_layout_tells_it() -> None:
    with pytest.raises(CodecError, match="^Vault.text: the layout 'open' has no place for it, .*; found <redacted>$"):
        Vault(text=HUSH).to_wire("open")
    with pytest.raises(CodecError, match="^Vault.mood: the layout 'mood' has no variant for <redacted>$"):
        Vault(mood=OldMood.WILD).to_wire("mood")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"codes": {"hush": ["hush"]}}', "Vault.codes: expected a str; found <redacted>"),
        ('{"coin": "hush"}', "Vault.coin: expected an object; found <redacted>"),
        ('{"coin": {"text": ["hush"]}}', "Vault.coin: expected a str; found <redacted>"),
        ('{"coin": {"hush": 1}}', "Vault.coin: has no such field; its fields are: text, number, owner"),
        ('{"coinByName": {"hush": {"number": "hush"}}}', "Vault.coin_by_name: expected an integer from .*<redacted>"),
        ('{"token": {"number": "hush"}}', "Vault.lock: expected an integer from .*; found <redacted>"),
        ('{"password": ["hush"]}', "Vault.lock: expected a str; found <redacted>"),
        ('{"scheme": {"hush": "hush\\ud800"}}', "Vault.lock: expected a str that UTF-8 can encode; found <redacted>"),
        ('{"anything": {"@type": "x/hush"}}', "Vault.anything: no class is known for its type: import the package .*"),
        ('{"anything": {"@type": "x/google.protobuf.Empty", "hush": 1}}', "Vault.anything: has no such field; .*"),
        ('{"mood": "hush"}', "Vault.mood: expected a name or number of OldMood; found <redacted>"),
        ('{"shown": {"owner": ["hush"]}}', "Vault.shown.owner: expected a str; found <redacted>"),
    ],
)
def test_json_that_does_not_fit_tells_it_neither(text: str, told: str) -> None:
    with pytest.raises(CodecError, match=f"^{told}$") as caught:
        Vault.from_json(text)
    assert HUSH not in f"{caught.value} {vars(caught.value)}"


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
    assert AgedSignWord.__deprecated__ == "kitchen.known.Aged.word: Deprecated: draw one."
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aged = Aged(secret=OldSecret(text="t"), mood=OldMood.WILD, sign=AgedSignWord("w"))
        assert Aged.from_protobuf(aged.to_protobuf()) == Aged.from_wire(aged.to_wire()) == aged


def test_docstrings_say_what_is_deprecated() -> None:
    assert inspect.cleandoc(OldMood.__doc__ or "").endswith("\n\nDeprecated.")  # from Python 3.13 on it is clean
    assert "Deprecated: use Secret." in (OldSecret.__doc__ or "")
    source = inspect.getsource(kitchen_messages)
    assert '"""The name before.\n\n    Deprecated.\n    """' in source
    assert '"""Nobody was.\n\n    Deprecated.\n    """' in source
    assert "Deprecated: call Look." in (KnownService.find.__doc__ or "")


@pytest.mark.long
def test_type_checkers_tell_users_and_not_the_package(tmp_path: Path) -> None:
    program = tmp_path / "user.py"
    program.write_text(
        "from kitchen_package import Aged, AgedSignWord, OldSecret\n\n"
        "Aged(secret=OldSecret(), sign=AgedSignWord(value=''))\n"
    )
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
    told = (
        "is deprecated: kitchen.known.OldSecret: Deprecated: use Secret. It says the same.",
        "is deprecated: kitchen.known.Aged.word: Deprecated: draw one.",
    )
    assert {text for text in told for line in found if text in line} == set(told)
    for line in found:
        assert line.startswith("user.py:")
        assert any(text in line for text in told)


def test_idempotency_levels_reach_the_methods() -> None:
    assert methods.KNOWN_LOOK.idempotent
    assert methods.KNOWN_PUT.idempotent
    assert not methods.KNOWN_FIND.idempotent
    assert not methods.KITCHEN_IMPORT.idempotent
