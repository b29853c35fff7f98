import type { Store } from "../state/store.ts";
import { byId, setText } from "./dom.ts";

const KEY = "theme";
const THEMES = ["auto", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

const TEXTS: Readonly<Record<Theme, string>> = { auto: "Theme: auto", light: "Theme: light", dark: "Theme: dark" };

/** Lets the button go through the colour schemes, and keeps the choice. */
export function installTheme(store: Store): void {
  const button = byId("theme", HTMLButtonElement);
  let theme = THEMES.find((name) => name === store.read(KEY)) ?? "auto";
  const show = (): void => {
    document.documentElement.dataset["theme"] = theme;
    setText(button, TEXTS[theme]);
  };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "auto";
    store.write(KEY, theme);
    show();
  });
  show();
}
