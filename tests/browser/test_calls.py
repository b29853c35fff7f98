"""Calls of a generated client in a browser: every kind, its errors and its end, and a client of another version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import Tab, running_node
from tests.browser.inventory_server import GREATEST

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def socket_url(inventory_url: str) -> str:
    return f"ws://{urlsplit(inventory_url).netloc}/"


@pytest.fixture
def call(inventory_url: str, open_tab: Callable[..., Tab], socket_url: str) -> Call:
    """Makes a call of `probe` to a server, and gives what it came to."""
    page = open_tab(inventory_url).page
    page.wait_for_function("globalThis.probe !== undefined")

    def make(name: str, *arguments: object, url: str = socket_url) -> dict[str, Any]:
        outcome: dict[str, Any] = page.evaluate("([name, ...rest]) => probe[name](...rest)", [name, url, *arguments])
        return outcome

    return make


def test_a_unary_call_and_the_greatest_integer(call: Call) -> None:
    item = call("unary", "ladder")["value"]
    assert item["priceCents"] == f"{GREATEST}n"
    assert item["origin"] == {"case": "plant", "value": {"name": "Porto", "line": 7}}
    assert item["tags"] == ["long"]


def test_metadata_goes_both_ways(call: Call) -> None:
    assert call("metadata") == {"value": {"echoed": "text", "trailing": "behind"}}


def test_a_client_stream_carries_integers_exactly(call: Call) -> None:
    numbers = ["0", str(2**53 + 1), str(GREATEST), str(2**64 - 1)]
    summary = call("clientStream", numbers)["value"]
    assert summary == {"changes": 4, "delta": dict.fromkeys(numbers, f"{-(2**63)}n")}


def test_a_server_stream_that_is_left_ends_at_the_server(call: Call) -> None:
    before = _counts(call)["left"]
    assert call("serverStream", 5000)["value"] == {"first": "0n", "last": "4999n", "isOrdered": True}
    _await_count(call, "left", before + 1)


def test_both_sides_of_a_stream_take_turns(call: Call) -> None:
    answers = call("bidiStream", ["a", "b", "c"])["value"]
    assert answers == [{"case": "confirmation", "value": text} for text in ("a-1", "b-2", "c-3")]


def test_an_abort_signal_reaches_the_server(call: Call) -> None:
    before = _counts(call)["left"]
    assert call("cancel")["code"] == "canceled"
    _await_count(call, "left", before + 1)


def test_a_deadline_holds_at_both_sides(call: Call) -> None:
    before = _counts(call)["cut off"]
    assert call("unary", "slow", 200)["code"] == "deadline_exceeded"
    _await_count(call, "cut off", before + 1)
    assert call("unary", "ladder", 0)["code"] == "deadline_exceeded", "no time is no time, and not no deadline"


def test_an_error_has_its_code_text_and_trailers(call: Call) -> None:
    failure = call("unary", "unicorn")
    assert (failure["code"], failure["text"]) == ("not_found", "there is no unicorn")
    assert failure["trailers"]["asked-for"] == "unicorn"


def test_an_older_client_is_answered_right(call: Call) -> None:
    """Its fingerprints differ from the server's, so its messages travel in protobuf's encoding."""
    answer = call("older")["value"]
    assert answer == {
        "sku": "ladder",
        "price": f"{GREATEST}n",
        "origin": {"case": "plant", "value": {"name": "Porto", "line": 7}},
        "hasTags": False,
        "changes": ["A:added"] * 3,
    }


@pytest.mark.parametrize("number", [GREATEST, -(2**63), 0])
def test_an_integer_of_64_bits_comes_back_as_it_was_sent(call: Call, number: int) -> None:
    assert call("timestamp", str(number)) == {"value": f"{number}n"}


def test_a_message_of_many_frames_goes_both_ways(call: Call) -> None:
    assert call("large", 3_000_000) == {"value": True}


def test_a_page_of_another_origin_is_refused(inventory_url: str, open_tab: Callable[..., Tab]) -> None:
    tab = open_tab(inventory_url)
    tab.expect("WebSocket connection")
    tab.page.wait_for_function("globalThis.probe !== undefined")
    with running_node("--web") as node:
        url = f"ws://{node.address}/"
        failure = tab.page.evaluate("(url) => probe.unary(url, 'ladder')", url)
        assert failure["code"] == "unavailable"
        assert "WebSocket" in failure["text"], "the browser tells a page no more than that it was closed"
        tab.page.close()
    assert any("403" in text for text in tab.complaints), "it tells the reason to people, in its console"


def _counts(call: Call) -> dict[str, int]:
    counts: dict[str, int] = call("unary", "counts")["value"]["stock"]
    return counts


def _await_count(call: Call, name: str, expected: int) -> None:
    """The server learns of the end of a call a moment after its client has left it."""
    for _ in range(100):
        if _counts(call)[name] == expected:
            return
    pytest.fail(f"{name} is {_counts(call)[name]}, not {expected}: the server was not told that the call has ended")
