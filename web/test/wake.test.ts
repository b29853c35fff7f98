/** What a browser tells of its page, played by event targets of Node. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { FrameType } from "../src/frame.ts";
import { settled } from "../src/testing.ts";
import { SEND, TransportMessage } from "./support/messages.ts";
import { hello, Rig } from "./support/script.ts";

class Page extends EventTarget {
  visibilityState = "hidden";
  readonly listeners = new Set<string>();

  override addEventListener(...args: Parameters<EventTarget["addEventListener"]>): void {
    this.listeners.add(args[0]);
    super.addEventListener(...args);
  }

  override removeEventListener(...args: Parameters<EventTarget["removeEventListener"]>): void {
    this.listeners.delete(args[0]);
    super.removeEventListener(...args);
  }
}

const globals = globalThis as { document?: unknown; window?: unknown };
let page: Page;
let browser: Page;
let rig: Rig;

beforeEach(() => {
  page = new Page();
  browser = new Page();
  globals.document = page;
  globals.window = browser;
  rig = new Rig({ keepalive: {}, backoff: { initialMs: 60_000, maxMs: 60_000 } });
});

afterEach(async () => {
  await rig.close();
  assert.deepEqual([...page.listeners, ...browser.listeners], [], "a closed channel listens no more");
  delete globals.document;
  delete globals.window;
});

function call(): Promise<unknown> {
  const pending = rig.channel.unary(SEND, TransportMessage.create());
  pending.catch(() => undefined);
  return pending;
}

for (const event of ["online", "visibilitychange"]) {
  test(`${event} ends the wait for the next attempt`, async () => {
    rig.greet = (peer) => peer.drop("the network is down");
    await assert.rejects(call());
    rig.greet = (peer) => {
      peer.open();
      peer.send(hello());
    };
    page.dispatchEvent(new Event("visibilitychange"));
    await settled();
    assert.equal(rig.channel.state, "waiting", "a page that is hidden can wait");
    page.visibilityState = "visible";
    (event === "online" ? browser : page).dispatchEvent(new Event(event));
    await settled();
    assert.equal(rig.channel.state, "ready");
  });
}

test("a page that is looked at again asks whether its connection lives", async () => {
  void call();
  await settled();
  await rig.heard();
  rig.clock.skip(20_000);
  page.visibilityState = "visible";
  page.dispatchEvent(new Event("visibilitychange"));
  page.dispatchEvent(new Event("visibilitychange"));
  assert.deepEqual((await rig.heard()).map(({ type }) => type), [FrameType.Ping]);
  await rig.clock.advance(10_000);
  assert.equal(rig.channel.state, "ready");
  assert.equal(rig.peers.length, 2, "the one that did not answer was given up");
});
