/** The moments in a browser's life at which a connection that was given up may work again. */

interface Target {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/**
 * Calls `action` when the browser is online again, and when its page is looked at again. Elsewhere it does nothing.
 * The function that it returns ends this.
 */
export function onWake(action: () => void): () => void {
  const { document, window } = globalThis as { document?: Target & { visibilityState: string }; window?: Target };
  if (document === undefined || window === undefined) return () => undefined;
  const looked = (): void => {
    if (document.visibilityState === "visible") action();
  };
  window.addEventListener("online", action);
  window.addEventListener("pageshow", looked);
  document.addEventListener("visibilitychange", looked);
  return () => {
    window.removeEventListener("online", action);
    window.removeEventListener("pageshow", looked);
    document.removeEventListener("visibilitychange", looked);
  };
}
