/**
 * Builds the page into the Python package that serves it: `node page/build.mjs [FOLDER]` in web/, after `npm ci`.
 * With `--check` nothing is written; it fails where the page in the folder is not what would be built.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const source = dirname(fileURLToPath(import.meta.url));
const isCheck = process.argv.includes("--check");
const [folder] = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const target = folder ?? join(source, "../../node/eventflux_node/page");

/** The comment at the top of a built file. */
function head(name) {
  return `Made from web/page/${name} by web/page/build.mjs. Do not edit.`;
}

/** The script, with all that it imports, in a form that can be read. */
async function script() {
  const options = { bundle: true, format: "esm", target: "es2022", charset: "utf8", write: false };
  const banner = { js: `// ${head("main.ts")}` };
  const result = await build({ ...options, entryPoints: [join(source, "main.ts")], absWorkingDir: source, banner });
  const minified = await build({ ...options, entryPoints: [join(source, "main.ts")], minify: true });
  const [small] = minified.outputFiles;
  console.log(`page.js minified would be ${small.contents.length} bytes, ${gzipSync(small.contents).length} gzipped`);
  return result.outputFiles[0].text;
}

function copied(name) {
  return readFileSync(join(source, name), "utf8");
}

const files = {
  "index.html": copied("index.html").replace("<html", `<!-- ${head("index.html")} -->\n<html`),
  "page.css": `/* ${head("page.css")} */\n${copied("page.css")}`,
  "icon.svg": copied("icon.svg"),
  "page.js": await script(),
};
mkdirSync(target, { recursive: true });
for (const [name, text] of Object.entries(files)) {
  const path = join(target, name);
  console.log(`${name}: ${Buffer.byteLength(text)} bytes, ${gzipSync(text).length} gzipped`);
  if (!isCheck) writeFileSync(path, text);
  else if (read(path) !== text) fail(`${name} differs from what web/page makes: run npm run build:page in web/`);
}

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // it is not there, which differs too
  }
}

function fail(reason) {
  console.error(reason);
  process.exitCode = 1;
}
