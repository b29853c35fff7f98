import { NodeHealth, type HeartbeatResponse, type TransportClient } from "../../generated/index.ts";
import { delay } from "./delay.ts";
import { describeFailure } from "./failure.ts";

/** Failures in a row after which a node counts as offline: one may be an accident of the network. */
export const OFFLINE_AFTER = 2;
const TIMEOUT_MS = 2000;

/** What is known of a node. */
export interface NodeCondition {
  /** Its last answer; undefined: it has not answered yet. */
  readonly answer: HeartbeatResponse | undefined;
  /** How long the last answer took, in milliseconds. */
  readonly roundTripMs: number | undefined;
  readonly failures: number;
  /** Why it did not answer last time; empty: it did. */
  readonly failure: string;
}

export const UNKNOWN_CONDITION: NodeCondition = { answer: undefined, roundTripMs: undefined, failures: 0, failure: "" };

/** The health that the page shows; "offline" is its own finding. */
export type Verdict = "healthy" | "degraded" | "unhealthy" | "offline" | "unknown" | "asking";

const VERDICTS: ReadonlyMap<number, Verdict> = new Map<number, Verdict>([
  [NodeHealth.HEALTHY, "healthy"],
  [NodeHealth.DEGRADED, "degraded"],
  [NodeHealth.UNHEALTHY, "unhealthy"],
  [NodeHealth.OFFLINE, "offline"],
]);

export function verdictOf(condition: NodeCondition): Verdict {
  if (condition.failures >= OFFLINE_AFTER) return "offline";
  if (condition.answer === undefined) return "asking";
  return VERDICTS.get(condition.answer.serverStatus?.health ?? NodeHealth.UNKNOWN) ?? "unknown";
}

/** Asks a node for its condition, again and again until `signal` aborts. */
export async function keepAsking(
  client: TransportClient,
  nodeId: string,
  intervalMs: number,
  onChange: (condition: NodeCondition) => void,
  signal: AbortSignal,
): Promise<void> {
  let condition = UNKNOWN_CONDITION;
  while (!signal.aborted) {
    const started = performance.now();
    condition = await askOnce(client, nodeId, condition, signal);
    if (signal.aborted) return;
    onChange(condition);
    await delay(Math.max(0, intervalMs - (performance.now() - started)), signal);
    await untilVisible(signal);
  }
}

async function askOnce(
  client: TransportClient,
  nodeId: string,
  before: NodeCondition,
  signal: AbortSignal,
): Promise<NodeCondition> {
  const started = performance.now();
  try {
    const request = { nodeId, timestamp: BigInt(Date.now()) };
    const answer = await client.heartbeat(request, { timeoutMs: TIMEOUT_MS, signal });
    return { answer, roundTripMs: performance.now() - started, failures: 0, failure: "" };
  } catch (error) {
    return { ...before, roundTripMs: undefined, failures: before.failures + 1, failure: describeFailure(error) };
  }
}

/** Waits while the page cannot be seen: nobody reads the answers then, and the browser slows its timers. */
function untilVisible(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (!document.hidden || signal.aborted) return resolve();
    document.addEventListener("visibilitychange", finish);
    signal.addEventListener("abort", finish);

    function finish(): void {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", finish);
      signal.removeEventListener("abort", finish);
      resolve();
    }
  });
}
