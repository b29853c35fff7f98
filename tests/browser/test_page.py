"""The live page of a node in a browser, as its user sees it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from eventflux_runtime import connect
from eventflux_transport import Message, MessageType, TransportClient
from tests.browser.conftest import Tab, WebNode, running_node
from tests.support.authority import Authority
from tests.support.node_command import COMMAND

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenTab = Callable[..., Tab]


def publish(node: WebNode, messages: Sequence[Message]) -> None:
    """Hands messages to a node over TCP, from beside the browser."""

    async def send() -> None:
        async with connect(f"tcp://{node.address}") as channel:
            client = TransportClient(channel)
            for message in messages:
                await client.send_message(message)

    # A thread of its own, because what drives the browser runs a loop in this one.
    with ThreadPoolExecutor(1) as threads:
        threads.submit(anyio.run, send).result()


def open_page(node: WebNode, open_tab: OpenTab) -> Page:
    """The page of a node, once it is subscribed to its events."""
    page: Page = open_tab(node.url).page
    await_live(page)
    return page


def await_live(page: Page) -> None:
    page.get_by_text(re.compile("^Live")).wait_for()


def rows(page: Page) -> list[str]:
    """The payloads in the list of events."""
    return page.locator("#event-list .cell.payload").all_text_contents()


def await_rows(page: Page, expected: list[str]) -> None:
    """Waits until the list of events has these payloads, the newest first."""
    cells = "[...document.querySelectorAll('#event-list .cell.payload')].map((cell) => cell.textContent)"
    page.wait_for_function(f"(expected) => JSON.stringify({cells}) === JSON.stringify(expected)", arg=expected)


def test_the_node_is_shown_as_it_says_it_is(node: WebNode, open_tab: OpenTab) -> None:
    page = open_page(node, open_tab)
    page.get_by_role("heading", level=1, name=f"node-{node.port}").wait_for()
    assert page.title() == f"node-{node.port} · EventFlux node"
    card = page.locator("#node-list li")
    card.get_by_text(re.compile("^(Healthy|Degraded)$")).wait_for()
    text = card.inner_text()
    for figure in ("CPU", "Memory", "Connections", "Events/s", "Round trip", "Uptime", "Version"):
        assert figure in text
    assert re.search(r"Round trip\n[\d.]+ ms", text)
    page.get_by_text("p50 ").wait_for()
    assert page.locator("#connection").inner_text() == "Connected"


def test_an_event_is_listed_as_it_arrives_and_can_be_looked_into(node: WebNode, open_tab: OpenTab) -> None:
    page = open_page(node, open_tab)
    assert page.get_by_text("No event has arrived yet.").is_visible()
    assert f"eventflux publish ws://{node.address}/ hello.txt" in page.locator("#publish-command").inner_text()
    text = Message(
        id="first", message_type=MessageType.STATE, payload=b'{"a": 1}', headers={"stream": "s"}, source_node="me"
    )
    publish(node, [text, Message(id="second", payload=bytes(range(20)))])
    await_rows(page, [" ".join(f"{byte:02x}" for byte in range(20)), '{"a": 1}'])
    row = page.locator("#event-list li").nth(1)
    cells = row.locator(".cell").all_text_contents()
    assert cells[1:] == ["state", "me", "first", "stream=s", '{"a": 1}']
    row.locator("summary").click()
    facts = row.locator(".facts").inner_text()
    assert "first" in facts
    assert "Header stream" in facts
    assert row.locator("pre").inner_text() == '{"a": 1}'
    row.get_by_role("button", name="As hex").click()
    assert row.locator("pre").inner_text().startswith("0000  7b 22 61 22 3a 20 31 7d")


def test_what_others_send_is_text_and_never_a_part_of_the_page(node: WebNode, open_tab: OpenTab) -> None:
    page = open_page(node, open_tab)
    evil = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
    publish(node, [Message(id=evil, payload=evil.encode(), headers={evil: evil}, source_node=evil)])
    await_rows(page, [evil])
    page.locator("#event-list summary").click()
    assert page.locator("#event-list img, #event-list script").count() == 0
    assert page.title().startswith("node-")


def test_the_form_publishes_and_tells_what_came_of_it(node: WebNode, open_tab: OpenTab) -> None:
    page = open_page(node, open_tab)
    page.get_by_label("Payload").first.fill("by hand")
    page.get_by_label("Headers").fill("stream: manual\nlevel: 1")
    page.get_by_label("Target node").fill("all")
    page.locator("#publish-form").get_by_label("Type").select_option("query")
    page.get_by_role("button", name="Publish").click()
    answer = page.locator("#answers li")
    answer.get_by_text(re.compile(r"Acknowledgment in [\d.]+ ms")).wait_for()
    assert re.search(r"[0-9a-f-]{36}", answer.inner_text())
    await_rows(page, ["by hand"])
    assert page.locator("#event-list .cell.headers").text_content() == "stream=manual  level=1"
    assert page.locator("#event-list .cell.type").text_content() == "query"


def test_a_mistake_in_the_form_is_named_and_nothing_is_sent(node: WebNode, open_tab: OpenTab) -> None:
    page = open_page(node, open_tab)
    page.get_by_label("Headers").fill("no header")
    page.get_by_role("button", name="Publish").click()
    page.get_by_text("line 1 is no header: write it as name: value").wait_for()
    assert page.get_by_label("Headers").get_attribute("aria-invalid") == "true"
    assert page.evaluate("document.activeElement.id") == "publish-headers"
    page.get_by_label("Headers").fill("")
    page.get_by_label("Priority").fill("12")
    page.get_by_role("button", name="Publish").click()
    page.get_by_text("the priority is a whole number from 0, the highest, to 9, the lowest, not 12").wait_for()
    assert page.locator("#answers li").count() == 0
    assert page.get_by_label("Headers").get_attribute("aria-invalid") is None


def test_a_call_that_fails_is_told_with_its_code(node: WebNode, open_tab: OpenTab) -> None:
    tab = open_tab(node.url)
    tab.expect("WebSocket connection")
    await_live(tab.page)
    node.stop()
    tab.page.get_by_text("Connection lost").wait_for()
    tab.page.get_by_role("button", name="Publish").click()
    tab.page.locator("#answers li.bad").get_by_text(re.compile("^unavailable: ")).wait_for()


def test_types_are_chosen_at_the_node_and_words_on_the_page(node: WebNode, open_tab: OpenTab) -> None:
    page = open_page(node, open_tab)
    page.get_by_role("checkbox", name="control").check()
    await_live(page)
    publish(node, [Message(message_type=MessageType.EVENT, payload=b"left out")])
    publish(node, [Message(message_type=MessageType.CONTROL, payload=text) for text in (b"one fish", b"two birds")])
    await_rows(page, ["two birds", "one fish"])
    page.get_by_label("Containing").fill("FISH")
    await_rows(page, ["one fish"])
    page.get_by_label("Containing").fill("neither")
    page.get_by_text("No event that is held contains these words.").wait_for()
    page.get_by_label("Containing").fill("")
    await_rows(page, ["two birds", "one fish"])
    assert "2 received" in page.locator("#event-count").inner_text()


def test_a_paused_list_stands_still_and_counts(node: WebNode, open_tab: OpenTab) -> None:
    page = open_page(node, open_tab)
    publish(node, [Message(payload=b"before")])
    await_rows(page, ["before"])
    page.get_by_role("button", name="Pause").click()
    publish(node, [Message(payload=b"after")] * 3)
    page.get_by_role("button", name="Resume (3 new)").wait_for()
    assert rows(page) == ["before"]
    page.get_by_role("button", name="Resume (3 new)").click()
    await_rows(page, ["after", "after", "after", "before"])
    page.get_by_text("3 events had arrived meanwhile.").wait_for()
    page.get_by_role("button", name="Clear").click()
    await_rows(page, [])


def test_other_nodes_are_added_kept_and_removed(node: WebNode, open_tab: OpenTab) -> None:
    tab = open_tab(node.url)
    tab.expect("403")
    page = tab.page
    await_live(page)
    with running_node("--origin", node.url.rstrip("/")) as other, running_node("--web") as refusing:
        for address in (other.address, f"ws://{refusing.address}"):
            page.get_by_label("Add a node").fill(address)
            page.keyboard.press("Enter")
        card = page.locator("#node-list li", has_text=f"ws://{other.address}/")
        card.get_by_text(re.compile("^(Healthy|Degraded)$")).wait_for()
        card.get_by_role("heading", name=f"node-{other.port}").wait_for()
        refused = page.locator("#node-list li", has_text=f"ws://{refusing.address}/")
        refused.get_by_text("Offline").wait_for()
        assert f"start it with --origin {node.url.rstrip('/')}" in refused.inner_text()
        page.get_by_label("Add a node").fill(other.address)
        page.keyboard.press("Enter")
        page.get_by_text("this node is in the list already").wait_for()
        page.reload()
        card.get_by_text(re.compile("^(Healthy|Degraded)$")).wait_for()
        for address in (other.address, refusing.address):
            page.get_by_role("button", name=f"Remove ws://{address}/").click()
        page.reload()
        await_live(page)
        assert page.locator("#node-list li").count() == 1
        page.close()


def test_over_tls_and_at_another_path_it_is_the_same_page(open_tab: OpenTab, tmp_path: Path) -> None:
    files = Authority(tmp_path).server()
    options = ("--web", "--cert-file", files.cert_file, "--key-file", files.key_file)
    with running_node(*options, listen="tcps+grpcs+wss://127.0.0.1", path="/rpc") as node:
        # Its authority is one that no browser knows.
        page = open_tab(node.url, ignore_https_errors=True).page
        await_live(page)
        assert page.locator("#node-url").inner_text() == f"wss://{node.address}/rpc"
        page.get_by_label("Payload").first.fill("in secret")
        page.get_by_role("button", name="Publish").click()
        await_rows(page, ["in secret"])
        page.get_by_label("Add a node").fill("ws://10.0.0.7:7070")
        page.keyboard.press("Enter")
        page.get_by_text("this page came over https, so the browser lets it use wss:// only").wait_for()
        page.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_page_recovers_when_the_node_comes_back(node: WebNode, open_tab: OpenTab, number: signal.Signals) -> None:
    tab = open_tab(node.url)
    tab.expect("WebSocket connection")
    page = tab.page
    await_live(page)
    node.stop(number)
    page.get_by_text("Connection lost").wait_for()
    page.locator("#node-list").get_by_text("Offline").wait_for()
    page.get_by_role("button", name="Try now").wait_for()
    page.get_by_text(re.compile(r"^(next attempt in \d+ s|trying again)$")).wait_for()
    node.start()
    page.get_by_text("Connected", exact=True).wait_for()
    await_live(page)
    publish(node, [Message(payload=b"again")])
    await_rows(page, ["again"])
    page.locator("#node-list").get_by_text(re.compile("^(Healthy|Degraded)$")).wait_for()


def test_the_command_that_the_page_shows_works(node: WebNode, open_tab: OpenTab, tmp_path: Path) -> None:
    page = open_page(node, open_tab)
    first, second = page.locator("#publish-command").inner_text().splitlines()
    assert second.split()[:2] == ["eventflux", "publish"]
    subprocess.run(first, shell=True, cwd=tmp_path, check=True)  # the very line that a user copies
    subprocess.run([*COMMAND, *second.split()[1:]], cwd=tmp_path, check=True, stdout=sys.stderr)
    await_rows(page, ["hello"])


def test_nothing_but_the_page_is_loaded_and_its_policy_holds(node: WebNode, open_tab: OpenTab) -> None:
    tab = open_tab("about:blank")
    tab.expect("Content Security Policy")
    page = tab.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(node.url)
    await_live(page)
    assert {url.removeprefix(node.url) for url in asked} == {"", "page.css", "page.js", "icon.svg"}
    assert tab.complaints == []
    page.evaluate("document.head.append(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))")
    assert page.title() != "1"
    assert any("Content Security Policy" in text for text in tab.complaints)


def test_the_theme_is_chosen_and_kept(node: WebNode, open_tab: OpenTab) -> None:
    page = open_tab(node.url, color_scheme="light").page
    ground = partial(page.evaluate, "getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Theme: auto").wait_for()
    light = ground()
    page.emulate_media(color_scheme="dark")
    dark = ground()
    assert dark != light
    page.get_by_role("button", name="Theme: auto").click()
    assert ground() == light
    page.get_by_role("button", name="Theme: light").click()
    page.emulate_media(color_scheme="light")
    assert ground() == dark
    page.reload()
    page.get_by_role("button", name="Theme: dark").wait_for()
    assert ground() == dark
