/** What a browser keeps between visits. A browser that keeps nothing is no failure: the page then starts afresh. */
export interface Store {
  read(key: string): string | undefined;
  write(key: string, value: string): void;
}

/** The browser's own storage of this origin. */
export const browserStore: Store = {
  read(key) {
    try {
      return localStorage.getItem(PREFIX + key) ?? undefined;
    } catch {
      return undefined; // the user lets pages keep nothing
    }
  },
  write(key, value) {
    try {
      localStorage.setItem(PREFIX + key, value);
    } catch {
      // the user lets pages keep nothing, or there is no room
    }
  },
};

const PREFIX = "eventflux-node.";
