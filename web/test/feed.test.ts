/** The requests of a call: what is kept of them for another attempt, and for how long. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { END } from "../src/call.ts";
import { mapped, RequestFeed } from "../src/feed.ts";

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

async function taken(feed: RequestFeed<number>, from: number, end: number): Promise<(number | typeof END)[]> {
  const all: (number | typeof END)[] = [];
  for (let index = from; index < end; index++) all.push(await feed.at(index));
  return all;
}

describe("requests", () => {
  test("are given again to another attempt, as long as nothing was answered", async () => {
    const feed = new RequestFeed(upTo(3));
    assert.deepEqual(await taken(feed, 0, 2), [0, 1]);
    assert.ok(feed.canRestart);
    assert.deepEqual(await taken(feed, 0, 5), [0, 1, 2, END, END]);
  });

  test("are let go of once something was answered, but not those that are still to be sent again", async () => {
    const feed = new RequestFeed(upTo(6));
    await taken(feed, 0, 5);
    await taken(feed, 0, 2); // the second attempt has got this far
    feed.commit();
    assert.equal(feed.canRestart, false);
    assert.deepEqual(await taken(feed, 2, 7), [2, 3, 4, 5, END]);
  });

  test("of more than 256 KiB are not kept", async () => {
    const feed = new RequestFeed(upTo(100));
    for (let index = 0; index < 10; index++) {
      await feed.at(index);
      feed.sent(30_000);
    }
    assert.equal(feed.canRestart, false);
    assert.deepEqual(await taken(feed, 10, 12), [10, 11]);
  });

  test("that an attempt which is over still waits for go to the next one", async () => {
    let give: (value: number) => void = () => undefined;
    const source = (async function* () {
      yield await new Promise<number>((resolve) => (give = resolve));
    })();
    const feed = new RequestFeed(source);
    const [old, fresh] = [feed.at(0), feed.at(0)];
    await Promise.resolve();
    give(7);
    assert.deepEqual(await Promise.all([old, fresh]), [7, 7]);
  });

  test("are returned when the call is over, whatever that does", async () => {
    let returns = 0;
    const broken = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<number>>(() => undefined),
        return: () => {
          returns += 1;
          return Promise.reject(new Error("broken"));
        },
      }),
    };
    const feed = new RequestFeed(mapped(broken, (value) => value));
    feed.close();
    feed.close();
    assert.equal(await feed.at(0), END);
    assert.equal(returns, 1);
  });

  test("that are made of others fail as what makes them does", async () => {
    const feed = new RequestFeed(
      mapped([1], () => {
        throw new TypeError("no message");
      }),
    );
    await assert.rejects(feed.at(0), /no message/);
  });

  test("that cannot be iterated over are refused", () => {
    for (const wrong of [7, undefined, null, {}]) assert.throws(() => new RequestFeed(wrong as never), TypeError);
  });
});
