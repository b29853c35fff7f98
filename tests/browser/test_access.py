"""The page for everybody: by keyboard alone, on a phone, in light and dark, and what axe-core finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eventflux_transport import Message, MessageType
from tests.browser.conftest import WEB, Tab, WebNode
from tests.browser.test_page import await_live, await_rows, publish

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenTab = Callable[..., Tab]
WIDTHS = (360, 768, 1280)
SCHEMES = ("light", "dark")
_FOCUSED = """() => {
  const {activeElement: focused} = document;
  const style = getComputedStyle(focused.matches(".chip input") ? focused.nextElementSibling : focused);
  const name = focused.id || focused.getAttribute("aria-label") || focused.innerText || focused.parentElement.innerText;
  const isMarked = style.outlineStyle !== "none" && style.outlineWidth !== "0px";
  return {tag: focused.tagName, name: name.trim(), isMarked};
}"""

_SIDEWAYS = """[...document.querySelectorAll("*")]
  .filter((part) => part.scrollWidth > part.clientWidth)
  .filter((part) => /auto|scroll/.test(getComputedStyle(part).overflowX) || part.matches(".facts dd, .failure"))
  .map((part) => part.outerHTML.slice(0, 100))"""
"""What has to be scrolled sideways, within the page, or is cut off though it is there to be read."""


def _filled(node: WebNode, open_tab: OpenTab, width: int, scheme: str) -> Page:
    """A page with long texts in it, one of them opened, a node that is not there, and a mistake in the form."""
    tab = open_tab(node.url, viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab.expect("WebSocket connection to 'ws://127.0.0.1:1/' failed")
    page: Page = tab.page
    await_live(page)
    word = "w" * 300
    publish(node, [Message(id=word, payload=word.encode(), headers={word: word}, source_node=word)] * 3)
    await_rows(page, [word[:160]] * 3)
    page.locator("#event-list summary").first.click()
    page.get_by_label("Add a node").fill("ws://127.0.0.1:1")
    page.keyboard.press("Enter")
    page.get_by_text("Offline").wait_for()
    page.get_by_label("Headers").fill("no header")
    page.get_by_role("button", name="Publish").click()
    return page


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen_and_axe_finds_nothing(
    node: WebNode, open_tab: OpenTab, width: int, scheme: str
) -> None:
    page = _filled(node, open_tab, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(_SIDEWAYS) == []
    # Run as the driver's own code: the page's policy lets it load no script.
    page.evaluate((Path(WEB) / "node_modules/axe-core/axe.min.js").read_text("utf-8"))
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("(rules) => axe.run({runOnly: rules})", rules)["violations"]
    assert [(rule["id"], [part["html"] for part in rule["nodes"]]) for rule in found] == []


def test_everything_is_reached_by_the_keyboard_in_the_order_of_the_page(node: WebNode, open_tab: OpenTab) -> None:
    page = open_tab(node.url).page
    await_live(page)
    publish(node, [Message(payload=b"one"), Message(payload=b"two")])
    await_rows(page, ["two", "one"])
    reached: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        if focused["tag"] == "BODY":
            break
        assert focused["isMarked"], f"it cannot be seen that {focused['name']} has the focus"
        reached.append(focused["name"].split("\n")[0])
    assert reached[:4] == ["Skip to the events", "theme", "add-url", "Add"]
    assert reached[4:13] == [kind.name.lower() for kind in MessageType]
    assert reached[13:16] == ["text-filter", "pause", "clear"]
    form = ["type", "priority", "payload", "headers", "source", "target"]
    assert reached[18:] == [*(f"publish-{name}" for name in form), "Publish"]


def test_the_keyboard_does_all_that_the_mouse_does(node: WebNode, open_tab: OpenTab) -> None:
    page = open_tab(node.url).page
    await_live(page)
    press = page.keyboard.press
    press("Tab")
    press("Enter")
    assert page.evaluate("document.activeElement.id") == "events-title"
    page.get_by_label("Payload").first.focus()
    page.keyboard.type("typed")
    press("Control+Enter")
    await_rows(page, ["typed"])
    page.locator("#event-list summary").focus()
    assert page.locator("#pause").inner_text().startswith("Resume"), "what is read stands still"
    press("Enter")
    page.locator("#event-list .facts").wait_for()
    press("Tab")  # "As hex"
    press("Space")
    assert page.locator("#event-list pre").inner_text().startswith("0000  74 79 70 65 64")
    page.locator("#pause").focus()
    press("Space")
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("checkbox", name="query").focus()
    press("Space")
    assert page.get_by_role("checkbox", name="query").is_checked()


def test_motion_is_left_out_where_it_is_not_wanted(node: WebNode, open_tab: OpenTab) -> None:
    page = open_tab(node.url, reduced_motion="reduce").page
    page.locator("#connection").evaluate("(badge) => (badge.dataset.verdict = 'asking')")
    assert page.evaluate("getComputedStyle(document.querySelector('#connection'), '::before').animationName") == "none"
