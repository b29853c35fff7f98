/** How the page writes numbers, times and payloads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBytes, formatCount, formatDate, formatMs, formatSpan } from "../../page/view/format.ts";
import { hexDump, preview, readableText } from "../../page/view/payload.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("numbers have their units, and no more digits than mean something", () => {
  assert.equal(formatCount(9_223_372_036_854_775_807n), "9,223,372,036,854,775,807");
  assert.deepEqual([0.4312, 12.34, 1234.5].map(formatMs), ["0.43 ms", "12.3 ms", "1,235 ms"]);
  assert.deepEqual([0, 59, 3600, 90_061, 172_800].map(formatSpan), ["0 s", "59 s", "1 h", "1 d 1 h", "2 d"]);
  assert.deepEqual([12, 1536, 5 * 1024 ** 2].map(formatBytes), ["12 B", "1.5 KiB", "5.0 MiB"]);
  assert.equal(formatDate(0), "1970-01-01 00:00:00.000Z");
  assert.equal(formatDate(1e20), "100000000000000000000", "what is no date is shown as it is");
});

test("a payload is text where it can be read, and bytes where not", () => {
  assert.equal(readableText(bytes("Grüße\n\t"), false), "Grüße\n\t");
  assert.equal(readableText(new Uint8Array([0xff]), false), undefined);
  assert.equal(readableText(bytes("a\u0000"), false), undefined);
  assert.equal(readableText(bytes("ü").subarray(0, 1), true), "", "a character that was cut off is no fault");
  assert.equal(readableText(bytes("ü").subarray(0, 1), false), undefined);
});

test("a preview is one line", () => {
  assert.equal(preview(bytes('{\n  "a": 1\n}'), 100), '{ "a": 1 }');
  assert.equal(preview(bytes("aü"), 2), "a");
  assert.equal(preview(new Uint8Array([0, 255]), 10), "00 ff");
  assert.equal(preview(new Uint8Array(), 10), "");
  assert.equal(preview(new Uint8Array(100_000), 160).length, 95);
});

test("a dump has sixteen bytes a line", () => {
  assert.equal(
    hexDump(new Uint8Array([...bytes("hello, world 1234"), 0])),
    "0000  68 65 6c 6c 6f 2c 20 77 6f 72 6c 64 20 31 32 33  hello, world 123\n" +
      "0010  34 00                                            4·",
  );
});
