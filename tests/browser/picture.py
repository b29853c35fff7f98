"""Makes the pictures of the live page for a folder: ``python -m tests.browser.picture FOLDER``.

They show two nodes, one of them under load, in light and dark.
"""

from __future__ import annotations

import io
import json
import math
import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

import anyio
from PIL import Image

from eventflux_runtime import connect
from eventflux_transport import Message, MessageType, TransportClient
from tests.browser.conftest import WebNode, chromium, running_node

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__: list[str] = []

SECONDS: Final = 125.0
"""Until the charts, which look back two minutes, are full."""
_TURN_S: Final = 0.05
_SYMBOLS: Final = ("ASML", "SAP", "NVDA", "AAPL", "MSFT")
_KINDS: Final = (*[MessageType.EVENT] * 8, MessageType.STATE, MessageType.CONTROL, MessageType.QUERY)


def main(folder: Path) -> None:
    """Runs the nodes, and leaves the pictures in a folder."""
    with ExitStack() as stack:
        node = stack.enter_context(running_node("--web", node_id="ingest-1", port=7070))
        other = stack.enter_context(running_node("--origin", node.url.rstrip("/"), node_id="edge-porto", port=7071))
        stack.enter_context(_trading(node))
        browser = stack.enter_context(chromium())
        _take(browser, node, other, folder)


def _take(browser: Browser, node: WebNode, other: WebNode, folder: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1180}, color_scheme="light")
    page.goto(node.url)
    page.get_by_label("Add a node").fill(other.address)
    page.get_by_role("button", name="Add", exact=True).click()
    page.wait_for_timeout(SECONDS * 1000)
    page.get_by_label("Payload").first.fill('{"symbol": "ASML", "halt": true}')
    page.get_by_label("Headers").fill("stream: trades")
    page.get_by_role("button", name="Publish").click()
    page.locator("#answers li.good").wait_for()
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("The list is paused.").wait_for()
    page.wait_for_timeout(500)
    page.locator("#event-list summary").nth(1).click()
    page.mouse.move(0, 0)
    _save(page, folder / "node-page-light.png")
    page.emulate_media(color_scheme="dark")
    _save(page, folder / "node-page-dark.png")


def _save(page: Page, path: Path) -> None:
    """In 256 colours, which is all that such a page has: a third of the bytes."""
    page.evaluate("scrollTo(0, 0)")
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").quantize(256).save(path, optimize=True)


@contextmanager
def _trading(node: WebNode) -> Iterator[None]:
    """Events for as long as the context is open, at a rate that rises and falls."""
    is_over = Event()
    thread = Thread(target=anyio.run, args=(_publish, f"tcp://{node.address}", is_over))
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


async def _publish(url: str, is_over: Event) -> None:
    chance = random.Random(7)
    async with connect(url) as channel:
        client = TransportClient(channel)
        turn = 0
        while not is_over.is_set():
            turn += 1
            rate = 420 + 260 * math.sin(turn * _TURN_S / 9) + 60 * chance.random()
            for _ in range(int(rate * _TURN_S)):
                await client.send_message(_trade(chance))
            await anyio.sleep(_TURN_S)


def _trade(chance: random.Random) -> Message:
    trade = {
        "symbol": chance.choice(_SYMBOLS),
        "price": round(100 + 40 * chance.random(), 2),
        "quantity": chance.randrange(1, 900),
    }
    return Message(
        id=f"trade-{chance.getrandbits(48):012x}",
        message_type=chance.choice(_KINDS),
        payload=json.dumps(trade).encode(),
        headers={"stream": "trades", "venue": chance.choice(("lit", "dark"))},
        timestamp=time.time_ns() // 1_000_000,
        source_node=chance.choice(("xetra", "nasdaq", "euronext")),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
