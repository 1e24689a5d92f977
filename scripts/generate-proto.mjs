// Writes proto/gen from the .proto files: the TypeScript code and the descriptors that reflection serves.
// `node scripts/generate-proto.mjs DIRECTORY` writes elsewhere, which is how the check compares without touching the tree.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const out = resolve(process.argv[2] ?? join(root, "proto/gen"));
const buf = join(root, "node_modules/.bin/buf");

function run(...args) {
  execFileSync(buf, args, { cwd: root, stdio: "inherit" });
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const template = join(out, "buf.gen.json");
const config = readFileSync(join(root, "buf.gen.yaml"), "utf8").replace("out: proto/gen", `out: ${out}`);
writeFileSync(template.replace(/json$/, "yaml"), config);
run("generate", "--template", template.replace(/json$/, "yaml"));
rmSync(template.replace(/json$/, "yaml"));
run("build", "--as-file-descriptor-set", "-o", join(out, "descriptors.binpb"));
