"""What mypy sees of the generated code: narrowing, exhaustiveness, and mistakes that it must find."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CORRECT = """
from typing import assert_never

from eventflux_transport import Message, MessageType, TransportMessage
from inventory_sdk import (
    Item, StockChange, StockChangeChangeAdded, StockChangeChangeMoved, StockChangeChangeRemoved, StockChangeMove,
)

def describe(change: StockChange) -> str:
    match change.change:
        case StockChangeChangeAdded(value=count) | StockChangeChangeRemoved(value=count):
            reveal_type(count)
            return str(count)
        case StockChangeChangeMoved(value=move):
            reveal_type(move)
            return move.to_shelf
        case None:
            return "nothing"
        case rest:
            assert_never(rest)

message: TransportMessage = Message.event(b"x").with_header("a", "b")
reveal_type(message.headers)
reveal_type(message.message_type)
reveal_type(TransportMessage.from_wire(b"", "eventflux"))
reveal_type(message.to_proto().headers["a"])
reveal_type(Item().price_cents)
reveal_type(Item().origin)
"""

REVEALED = [
    "int",
    "inventory_sdk.messages.StockChangeMove",
    "dict[str, str]",
    "eventflux_transport.messages.MessageType",
    "eventflux_transport.messages.TransportMessage",
    "str",
    "int | None",
    "inventory_sdk.messages.ItemOriginPlant | inventory_sdk.messages.ItemOriginSupplier | None",
]

INEXHAUSTIVE = """
from typing import assert_never
from inventory_sdk import ReservationResult, ReservationResultOutcomeRefusal
def f(result: ReservationResult) -> None:
    match result.outcome:
        case ReservationResultOutcomeRefusal() | None: ...
        case rest: assert_never(rest)
"""

MISTAKES = [
    ("from eventflux_transport import Message\nMessage(pyload=b'')", 'Unexpected keyword argument "pyload"'),
    ("from eventflux_transport import Message\nMessage(payload='text')", 'incompatible type "str"; expected "bytes"'),
    ("from eventflux_transport import Message\nMessage().to_wire('eventfluks')", "Literal['eventfluks']"),
    ("from eventflux_transport import EventRequest\nEventRequest().to_wire('eventflux')", "Literal['eventflux']"),
    ("from eventflux_transport import Message\nMessage().sourcenode", 'has no attribute "sourcenode"'),
    (
        "from inventory_sdk import StockChangeChangeAdded\nStockChangeChangeAdded('3')",
        'incompatible type "str"; expected "int"',
    ),
    (
        "from eventflux_transport import TransportService\nclass Node(TransportService): ...\nNode()",
        'Cannot instantiate abstract class "Node" with abstract attributes',
    ),
    (INEXHAUSTIVE, 'incompatible type "ReservationResultOutcomeConfirmation"'),
]


def mypy(program: str, directory: Path) -> list[str]:
    file = directory / "program.py"
    file.write_text(program)
    config = directory / "mypy.ini"
    search = ":".join(str(ROOT / part) for part in ("runtime", "generated", "tests/generated"))
    config.write_text(
        f"[mypy]\nstrict = true\nmypy_path = {search}\ncache_dir = {ROOT / '.mypy_cache' / 'typing_tests'}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(config), "--no-error-summary", str(file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
    )
    # Of our own packages it would report what this sparser configuration sees otherwise.
    return [line for line in done.stdout.splitlines() if line.startswith((file.name, str(file)))]


@pytest.mark.slow
def test_correct_code_is_clean_and_narrowed(tmp_path: Path) -> None:
    lines = mypy(CORRECT, tmp_path)
    assert [line.partition('Revealed type is "')[2].rstrip('"').replace("builtins.", "") for line in lines] == REVEALED


@pytest.mark.slow
def test_mistakes_are_found(tmp_path: Path) -> None:
    program = "\n".join(f"def case{index}() -> None:\n{indented(code)}" for index, (code, _) in enumerate(MISTAKES))
    errors = [line for line in mypy(program, tmp_path) if " error: " in line]
    assert len(errors) == len(MISTAKES), errors
    for (_, expected), error in zip(MISTAKES, errors, strict=True):
        assert expected in error


def indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.splitlines())
