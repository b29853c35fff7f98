const HEX_LINE = 16;

/** The text that bytes are, if they are UTF-8 that a person can read; undefined: they are not. */
export function readableText(bytes: Uint8Array, isCut: boolean): string | undefined {
  try {
    // A stream's decoder keeps the beginning of a character that is cut off for later.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: isCut });
    return UNREADABLE.test(text) ? undefined : text;
  } catch {
    return undefined; // not UTF-8
  }
}

/** Control characters but for tabs and line ends. */
const UNREADABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/u;

/** One line of a payload: its text with white space drawn together, or its bytes. */
export function preview(bytes: Uint8Array, characters: number): string {
  if (bytes.length === 0) return "";
  const part = bytes.subarray(0, characters);
  const text = readableText(part, part.length < bytes.length);
  return text === undefined ? hexBytes(part.subarray(0, 32)) : text.replace(/\s+/gu, " ").trim();
}

function hexBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** Lines of offset, bytes and the characters that they are in ASCII. */
export function hexDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let offset = 0; offset < bytes.length; offset += HEX_LINE) {
    const part = bytes.subarray(offset, offset + HEX_LINE);
    const ascii = Array.from(part, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${offset.toString(16).padStart(4, "0")}  ${hexBytes(part).padEnd(HEX_LINE * 3 - 1)}  ${ascii}`);
  }
  return lines.join("\n");
}
