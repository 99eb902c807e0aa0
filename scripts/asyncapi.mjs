// Hold AsyncAPI documents against the official parser; any error ends with status 1.
//
//   node scripts/asyncapi.mjs PARSER FILE...
//
// PARSER is the folder that @asyncapi/parser is installed in.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [folder, ...files] = process.argv.slice(2);
const { Parser } = createRequire(resolve(folder, "package.json"))("@asyncapi/parser");
const SEVERITIES = ["error", "warning", "information", "hint"];

let failed = files.length === 0;
for (const file of files) {
  const { document, diagnostics } = await new Parser().parse(await readFile(file, "utf8"), { source: file });
  for (const { severity, path, range, message } of diagnostics) {
    console.log(`${file}:${range.start.line + 1}: ${SEVERITIES[severity]}: ${path.join(".")}: ${message}`);
    failed ||= severity === 0;
  }
  failed ||= !document;
  if (document) {
    const counts = [document.channels().length, document.operations().length, document.messages().length];
    console.log(`${file}: ${counts[0]} channels, ${counts[1]} operations, ${counts[2]} messages`);
  }
}
process.exit(failed ? 1 : 0);
