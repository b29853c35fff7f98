/** What the page makes of text that people type: messages and nodes, or an error that says what is wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Draft, DraftError, messageOf, randomId } from "../../page/state/draft.ts";
import { NodeList, nodeUrl } from "../../page/state/node_list.ts";
import type { Store } from "../../page/state/store.ts";

const draft: Draft = { type: "1", payload: "", headers: "", source: "", target: "", priority: "0" };

test("a draft becomes a message", () => {
  const headers = "stream: trades\n\nurl:http://a:1/\n__proto__: x";
  const message = messageOf({ ...draft, payload: "Grüße", headers, source: " web ", target: "n", priority: "9" }, 1234);
  assert.deepEqual([...message.headers], [["stream", "trades"], ["url", "http://a:1/"], ["__proto__", "x"]]);
  assert.equal(new TextDecoder().decode(message.payload), "Grüße");
  assert.deepEqual([message.sourceNode, message.targetNode, message.priority], ["web", "n", 9]);
  assert.equal(message.timestamp, 1234n);
  assert.match(message.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/u);
  assert.notEqual(randomId(), randomId());
});

test("what cannot be is refused, with the field and what to do", () => {
  const wrong: readonly (readonly [Partial<Draft>, keyof Draft, RegExp])[] = [
    [{ headers: "a: 1\nno header" }, "headers", /line 2 is no header: write it as name: value/u],
    [{ headers: ": 1" }, "headers", /line 1/u],
    [{ headers: "a: 1\na: 2" }, "headers", /a stands twice/u],
    [{ priority: "10" }, "priority", /from 0, the highest, to 9/u],
    [{ priority: "-1" }, "priority", /whole number/u],
    [{ priority: "1.5" }, "priority", /whole number/u],
    [{ priority: "high" }, "priority", /whole number/u],
  ];
  for (const [change, field, text] of wrong) {
    assert.throws(
      () => messageOf({ ...draft, ...change }, 0),
      (error) => error instanceof DraftError && error.field === field && text.test(error.message),
      JSON.stringify(change),
    );
  }
});

test("a node's URL may lack its scheme", () => {
  assert.equal(nodeUrl(" 10.0.0.7:7070 ", false), "ws://10.0.0.7:7070/");
  assert.equal(nodeUrl("node.example", true), "wss://node.example/");
  assert.equal(nodeUrl("wss://node.example/rpc#x", false), "wss://node.example/rpc");
});

test("what a browser cannot reach is refused", () => {
  const wrong: readonly (readonly [string, boolean, RegExp])[] = [
    ["", false, /write the node's URL/u],
    ["tcp://a:1", false, /by ws:\/\/ and wss:\/\/ only, not by tcp:\/\//u],
    ["ws://a:99999", false, /is no URL/u],
    ["ws://a:1", true, /came over https/u],
    ["ws://me:secret@a:1", false, /no user name/u],
  ];
  for (const [text, isSecure, message] of wrong) assert.throws(() => nodeUrl(text, isSecure), message);
});

function storeOf(text?: string): Store & { text: string | undefined } {
  return {
    text,
    read() {
      return this.text;
    },
    write(_key, value) {
      this.text = value;
    },
  };
}

test("nodes are kept, each once, and what others wrote into the browser is looked at", () => {
  const store = storeOf();
  const list = new NodeList(store);
  list.add("ws://b:2", "ws://a:1/", false);
  assert.throws(() => list.add("b:2", "ws://a:1/", false), /in the list already/u);
  assert.throws(() => list.add("ws://a:1", "ws://a:1/", false), /the node that serves the page/u);
  assert.deepEqual(new NodeList(store).urls, ["ws://b:2/"]);
  list.remove("ws://b:2/");
  assert.deepEqual(new NodeList(store).urls, []);
  assert.deepEqual(new NodeList(storeOf("{")).urls, []);
  assert.deepEqual(new NodeList(storeOf('{"a": 1}')).urls, []);
  assert.deepEqual(new NodeList(storeOf('[1, "javascript:alert(1)", "ws://c:3/", "ws://c:3/"]')).urls, ["ws://c:3/"]);
  for (let port = 1; port <= 50; port++) list.add(`ws://n:${port}`, "", false);
  assert.throws(() => list.add("ws://n:51", "", false), /takes 50 nodes: remove one first/u);
});
