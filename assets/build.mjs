// Builds static/ from assets/ and the class names and icons that the templates use. Run by bin/assets.
// --out FOLDER writes elsewhere: the test compares that with what is committed.

import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const flag = process.argv.indexOf("--out");
const out = flag > 0 ? process.argv[flag + 1] : join(root, "static");
// Chromium 87 is about the oldest that still comes inside chat apps on phones in use.
const cssTarget = ["chrome87", "safari14", "firefox88"];
const jsTarget = "es2019";

function filesUnder(folder, ending) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

// The test in tests/shop/test_assets.py computes the same: path, NUL, text, NUL, for each file in order.
function digest() {
  const hash = createHash("sha256");
  for (const path of filesUnder("assets", "")) {
    hash.update(path).update("\0").update(readFileSync(join(root, path))).update("\0");
  }
  return hash.digest("hex");
}

async function styles() {
  const folder = mkdtempSync(join(tmpdir(), "kameng-"));
  try {
    const file = join(folder, "shop.css");
    execFileSync("node_modules/.bin/tailwindcss", ["--input", "assets/css/shop.css", "--output", file], {
      cwd: root,
      stdio: "pipe", // it talks even when all is well; when not, the error thrown carries what it said
    });
    const { code } = await transform(readFileSync(file, "utf8"), { loader: "css", target: cssTarget, minifySyntax: true });
    return unlayered(code.replace(/^\/\*![^]*?\*\/\n/, ""));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// Tailwind registers the variables of some utilities and keeps their defaults in a layer, for browsers that know neither
// registration nor layers to miss. Plain defaults on every element do the same everywhere.
function unlayered(css) {
  return css
    .replace("@layer properties;\n", "")
    .replace(/@property [^}]*\}\n/g, "")
    .replace(/@layer properties \{\n {2}@supports [^\n]*\n([^]*?)\n {2}\}\n\}\n/, (_, rules) => rules.replace(/^ {4}/gm, "") + "\n");
}

async function scripts(entry) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "iife",
    target: jsTarget,
    minify: true,
    legalComments: "none",
  });
  return outputFiles[0].text;
}

// One symbol for each {% icon "name" %} and include … icon="name" in a template, and for the names in assets/icons.txt that data may choose.
function sprite() {
  const names = new Set(
    readFileSync(join(root, "assets/icons.txt"), "utf8")
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line && !line.startsWith("#")),
  );
  for (const path of filesUnder("templates", ".html")) {
    for (const match of readFileSync(join(root, path), "utf8").matchAll(/(?:\{% icon |\bicon=)"([a-z0-9-]+)"/g)) {
      names.add(match[1]);
    }
  }
  const symbols = [...names].sort().map((name) => {
    const svg = readFileSync(join(root, "node_modules/lucide-static/icons", `${name}.svg`), "utf8");
    const inner = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
    return (
      `<symbol id="${name}" viewBox="0 0 24 24" stroke="currentColor" stroke-width="2" ` +
      `stroke-linecap="round" stroke-linejoin="round">${inner.replace(/\s*\n\s*/g, "").trim()}</symbol>`
    );
  });
  return `<svg xmlns="http://www.w3.org/2000/svg"><!-- Lucide icons, ISC licence, https://lucide.dev -->\n${symbols.join("\n")}\n</svg>\n`;
}

const banner = `/* Built by bin/assets. sources sha256 ${digest()} */\n`;
mkdirSync(out, { recursive: true });
writeFileSync(join(out, "shop.css"), banner + (await styles()));
writeFileSync(join(out, "shop.js"), banner + (await scripts("assets/js/shop.js")));
// The operator's pages have a script of their own, so that visitors do not load it.
writeFileSync(join(out, "desk.js"), banner + (await scripts("assets/desk/desk.js")));
writeFileSync(join(out, "icons.svg"), sprite());
