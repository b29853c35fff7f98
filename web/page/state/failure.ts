import { codeName, RpcError } from "../../src/index.ts";

/** One line about a failure: the code's name and its message. */
export function describeFailure(error: unknown): string {
  if (error instanceof RpcError) return `${codeName(error.code)}: ${error.rawMessage}`;
  return error instanceof Error ? error.message : String(error);
}
