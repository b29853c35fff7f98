"""What is not written down: fields that the IDL redacts, and named metadata."""

from __future__ import annotations

import pytest

from eventflux_runtime import Metadata
from eventflux_runtime.testing.recording import BYTES_KEY, message_of, plain
from eventflux_runtime.testing.redaction import redacted_message, redacted_metadata
from eventflux_runtime.well_known import Any, Struct
from inventory_sdk import Item, ItemOriginPlant, Plant, methods
from kitchen_package import Coin, Secret, SecretWayPin, SecretWayToken, Vault, VaultLockPassword, VaultLockShape


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (Secret(user="ada", password="t0p", keys=["k3y"], inner=Secret(user="x")), Secret(user="ada")),
        (Secret(user="ada", way=SecretWayToken("t0ken")), Secret(user="ada")),
        (Secret(way=SecretWayPin(7)), Secret(way=SecretWayPin(7))),
        (Vault(codes={"a": "b"}, lock=VaultLockPassword("p"), shown=Coin(owner="o")), Vault(shown=Coin())),
        (Vault(lock=VaultLockShape(1), text="t"), Vault(lock=VaultLockShape(1))),
        (Any.pack(Secret(user="ada", password="t0p")), Any.pack(Secret(user="ada"))),
        (Any(type_url="x/unknown.Type", value=b"\x01"), Any(type_url="x/unknown.Type", value=b"\x01")),
        (Item(origin=ItemOriginPlant(Plant(name="p"))), Item(origin=ItemOriginPlant(Plant(name="p")))),
        (Struct(fields={"a": [1, {"b": None}]}), Struct(fields={"a": [1, {"b": None}]})),
    ],
    ids=str,
)
def test_redacted_messages(message: object, shown: object) -> None:
    before = repr(message)
    assert redacted_message(message) == shown
    assert repr(message) == before, "it is a copy"


def test_redacted_metadata() -> None:
    given = Metadata([("authorization", "secret"), ("token-bin", b"\x00"), ("x", "1"), ("authorization", "other")])
    shown = redacted_metadata(given, ["Authorization", "token-bin"])
    assert list(shown) == [
        ("authorization", "<redacted>"),
        ("token-bin", b"<redacted>"),
        ("x", "1"),
        ("authorization", "<redacted>"),
    ]


def test_what_has_no_json_is_bytes() -> None:
    codec = methods.INVENTORY_GET_ITEM.response

    class Odd:
        """No generated message."""

    message = Item(sku="a")
    assert message_of(plain(message, codec), codec) == message
    assert message_of({BYTES_KEY: "CgFh"}, codec) == message
    with pytest.raises(Exception, match="Odd"):
        plain(Odd(), codec)
