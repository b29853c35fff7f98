type Child = Node | string;

/** A new element with attributes and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A new element of SVG with attributes, and text where it is given. */
export function svgElement<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number>>,
  text?: string,
): SVGElementTagNameMap[K] {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The element of the page with an id. Throws an `Error` where the page has none of that kind. */
export function byId<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} with the id ${id}`);
  return found;
}

/** Sets an element's text, only if it differs: readers of screens and the browser's layout go by changes. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** A function that has `draw` run in a frame soon, once for all calls before, and at most every `leastMs`. */
export function coalesced(leastMs: number, draw: () => void): () => void {
  let isAsked = false;
  let lastMs = -leastMs;
  const inFrame = (): void => {
    requestAnimationFrame(() => {
      isAsked = false;
      lastMs = performance.now();
      draw();
    });
  };
  return () => {
    if (isAsked) return;
    isAsked = true;
    const waitMs = lastMs + leastMs - performance.now();
    if (waitMs > 0) setTimeout(inFrame, waitMs);
    else inFrame();
  };
}
