/** The Python server that the tests talk to, in a process of its own. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";

import { WebSocket } from "ws";

import { Channel, type ChannelOptions } from "../../src/channel.ts";
import { socket } from "../../src/node.ts";
import type { SocketFactory, WebSocketClass } from "../../src/socket.ts";

const ROOT = process.env["EVENTFLUX_ROOT"] ?? fileURLToPath(new URL("../../../..", import.meta.url));
const PYTHON = process.env["EVENTFLUX_PYTHON"] ?? "python3";

const hasGlobal = (globalThis as { WebSocket?: unknown }).WebSocket !== undefined;

/** What the tests run over: TCP, the WebSocket of the package ws, and Node's own where it has one, as browsers do. */
export const WIRES: readonly string[] =
  process.env["EVENTFLUX_WIRES"]?.split(",") ?? ["tcp", "ws", ...(hasGlobal ? ["global ws"] : [])];

export class Server {
  readonly url: string;
  readonly #wire: string;
  readonly #process: ChildProcess;

  private constructor(wire: string, url: string, process: ChildProcess) {
    this.#wire = wire;
    this.url = url;
    this.#process = process;
  }

  /** Starts it on a wire, at a port of its choice, or anew at the URL of another. */
  static async start(wire: string, url = `${wire.split(" ").at(-1)}://127.0.0.1:0`, more = {}): Promise<Server> {
    const child = spawn(PYTHON, ["-m", "tests.support.web_server", url], {
      cwd: ROOT,
      env: { ...process.env, ...more, PYTHONPATH: `${ROOT}/tests/generated:${process.env["PYTHONPATH"] ?? ""}` },
      stdio: ["ignore", "pipe", "inherit"],
    });
    return await new Promise((resolve, reject) => {
      child.once("exit", () => reject(new Error(`the server on ${url} did not start`)));
      createInterface(child.stdout).once("line", (line) => resolve(new Server(wire, line, child)));
    });
  }

  channel(options: ChannelOptions = {}): Channel {
    return new Channel(this.socket(), options);
  }

  socket(): SocketFactory {
    return socket(this.url, this.#wire === "ws" ? { WebSocket: WebSocket as unknown as WebSocketClass } : {});
  }

  /** Tells it to drain; what it returns resolves when it has ended. */
  drain(): Promise<unknown> {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    return ended;
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }
}
