import { byId, setText } from "./dom.ts";

const SHOWN_MS = 1500;

/** Shows the command that publishes to this node, with a button that copies it. */
export function installCommand(url: string): void {
  const code = byId("publish-command", HTMLElement);
  setText(code, `echo hello > hello.txt\neventflux publish ${url} hello.txt`);
  const button = byId("copy-command", HTMLButtonElement);
  button.addEventListener("click", () => {
    void copy(code).then((isCopied) => {
      setText(button, isCopied ? "Copied" : "Selected");
      setTimeout(() => setText(button, "Copy"), SHOWN_MS);
    });
  });
}

/** Copies an element's text; selects it where the browser lets no page copy, as over plain HTTP. */
async function copy(source: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(source.textContent ?? "");
    return true;
  } catch {
    getSelection()?.selectAllChildren(source);
    return false;
  }
}
