import { Code, RpcError } from "../../src/index.ts";

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(Code).map(([name, number]) => [number as number, name]));

/** One line about a failure: the code's name and its message. */
export function describeFailure(error: unknown): string {
  if (error instanceof RpcError) return `${NAMES.get(error.code) ?? `code ${error.code}`}: ${error.rawMessage}`;
  return error instanceof Error ? error.message : String(error);
}
