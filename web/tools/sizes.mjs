// Prints what a page loads: the runtime, and with the generated client of the shipped IDL, minified and gzipped.
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const ENTRIES = {
  "connect()": 'export { connect } from "./dist/src/index.js";',
  "connect() and TransportClient":
    'export { connect } from "./dist/src/index.js"; export { TransportClient } from "./dist/generated/index.js";',
  "everything": 'export * from "./dist/src/index.js"; export * from "./dist/generated/index.js";',
};

for (const [name, contents] of Object.entries(ENTRIES)) {
  const stdin = { contents, resolveDir: new URL("..", import.meta.url).pathname };
  const { outputFiles } = await build({ stdin, bundle: true, minify: true, format: "esm", target: "es2022", write: false });
  const bytes = outputFiles[0].contents;
  const zipped = gzipSync(bytes, { level: 9 }).length;
  console.log(`${name}: ${(bytes.length / 1000).toFixed(1)} kB minified, ${(zipped / 1000).toFixed(1)} kB gzipped`);
}
