// Write structgen/automata/unicode/unicode_properties.txt anew: the code points of every property that ECMA-262 lets
// \p{...} name, as this Node's RegExp has them. The names are those of the file: for a new version of Unicode, add
// the new scripts' lines by hand (kind, names, nothing behind the tab), then run
//     node scripts/make_unicode_properties.mjs
// A line is: kind (gc, sc, scx or b), a blank, names between commas, a tab, and the ranges: for each the gap since
// the end of the one before, and one less than its length where that is not 0, in base 36.
// `scx` lines stand only where Script_Extensions differs from Script.
import { readFileSync, writeFileSync } from "node:fs";

const path = new URL("../structgen/automata/unicode/unicode_properties.txt", import.meta.url);
const LAST = 0x10ffff;

function ranges(expression) {
  const pattern = new RegExp(`^\\p{${expression}}$`, "u");
  const found = [];
  let first = -1;
  for (let point = 0; point <= LAST + 1; point++) {
    const holds = point <= LAST && pattern.test(String.fromCodePoint(point));
    if (holds && first < 0) first = point;
    if (!holds && first >= 0) {
      found.push([first, point - 1]);
      first = -1;
    }
  }
  let end = 0;
  return found
    .map(([low, high]) => {
      const gap = low - end;
      end = high + 1;
      return gap.toString(36) + (high > low ? "-" + (high - low).toString(36) : "");
    })
    .join(" ");
}

const lines = [`Unicode ${process.versions.unicode}`];
for (const line of readFileSync(path, "utf8").split("\n").slice(1)) {
  const [kind, names] = line.split("\t")[0].split(" ");
  if (!names || kind === "scx") continue;
  const name = names.split(",")[0];
  if (kind !== "sc") {
    lines.push(`${kind} ${names}\t${ranges(name)}`);
    continue;
  }
  const script = ranges(`Script=${name}`);
  const extensions = ranges(`Script_Extensions=${name}`);
  lines.push(`sc ${names}\t${script}`);
  if (extensions !== script) lines.push(`scx ${names}\t${extensions}`);
}
writeFileSync(path, lines.join("\n") + "\n");
