import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { describe, expect, it } from "@jest/globals";

/*
 * Who may import whom: the table of ARCHITECTURE.md, checked against the source. Purity itself (no timers, no node:*)
 * is the compiler's work: the pure folders are compiled without any library that has them.
 */

const root = resolve(__dirname, "../../..");

interface Room {
  /** Rooms and packages that it may import values and types from. */
  readonly uses: readonly string[];
  /** Rooms that it may import types from, and nothing else. */
  readonly types?: readonly string[];
  readonly isPure?: boolean;
}

const rooms: Record<string, Room> = {
  "proto/calling": { uses: ["@quorate/proto/http2", "nice-grpc-common"] },
  "proto/http2": { uses: [] },
  "services/std": { uses: [], isPure: true },
  "services/raft": { uses: ["#std"], isPure: true },
  "services/kv": { uses: ["#std", "@quorate/proto/log"], isPure: true },
  "services/replica": { uses: ["#std", "#raft", "#kv"], isPure: true },
  // Stores need values too: StoreFailure, the state before the first command, how bytes of an entry are counted.
  "services/memory": { uses: ["#std", "#raft", "#kv", "#replica"], isPure: true },
  "services/faults": { uses: ["#std", "#raft", "#replica"], types: ["#kv"], isPure: true },
  "services/watch": { uses: ["#std", "#kv", "#replica"], isPure: true },
  "services/verification": { uses: ["#std", "#kv", "#replica"], types: ["#raft"], isPure: true },
  "services/storage": { uses: ["#std", "#raft", "#kv", "#replica", "classic-level"] },
  "services/backup": { uses: ["#std"], types: ["#raft", "#replica"] },
  "services/settings": { uses: ["commander", "yaml"] },
  "services/grpc": { uses: ["#std", "@quorate/proto/calling", "@quorate/proto/http2", "nice-grpc-common"] },
  "services/forward": {
    uses: ["#std", "#grpc", "@quorate/proto", "nice-grpc-common", "nice-grpc-server-reflection"],
  },
  "services/rpc": {
    // Of kv: how commands are encoded, ranges, and the Merkle tree; of settings what an address is.
    uses: ["#std", "#settings", "#grpc", "#forward", "#kv", "@quorate/proto", "nice-grpc-common"],
    types: ["#raft", "#replica", "#watch", "#verification"],
  },
  "services/metrics": {
    uses: ["#std", "#forward", "nice-grpc-common", "prom-client"],
    types: ["#raft", "#replica", "#verification"],
  },
  "services/tracing": {
    uses: ["#std", "@opentelemetry/api"],
    types: ["#raft", "#replica", "#forward", "#metrics"],
  },
  "services/gateway": {
    uses: ["#std", "#settings", "#forward", "#tracing", "@quorate/proto", "pino"],
  },
  "services/node": {
    uses: [
      "#std",
      "#settings",
      "#raft",
      "#kv",
      "#replica",
      "#storage",
      "#backup",
      "#forward",
      "#rpc",
      "#watch",
      "#metrics",
      "#tracing",
      "@quorate/proto",
      "#verification",
      "pino",
    ],
  },
  // What a call of grpc-js fails with is what one in memory fails with.
  "services/testing": {
    uses: ["@quorate/services", "@quorate/client", "@quorate/proto", "@grpc/grpc-js", "nice-grpc-common"],
  },
  "services/launcher": { uses: ["#std", "@quorate/proto/health", "commander", "nice-grpc"] },
  // Its folders reach its files by #client, for nothing goes up by "../".
  "clients/typescript/src": {
    uses: ["#client", "@quorate/proto", "nice-grpc-common"],
  },
  "clients/cli/src": {
    uses: [
      "#cli",
      "@quorate/client",
      "@quorate/services/launcher",
      "commander",
      "cli-table3",
      "cli-progress",
      "csv-parse",
      "csv-stringify",
    ],
  },
  "clients/examples/src": { uses: ["@quorate/client", "nice-grpc", "nice-grpc-common"] },
};

interface Import {
  readonly specifier: string;
  readonly isType: boolean;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return ["node_modules", "dist"].includes(entry.name) ? [] : sourceFiles(path);
    return entry.name.endsWith(".ts") ? [path] : [];
  });
}

function importsOf(source: string): Import[] {
  const found: Import[] = [];
  for (const match of source.matchAll(/^(?:import|export)\s+(type\s)?([^;"]*?)\s*from\s*"([^"]+)";/gm)) {
    const names = (match[2] ?? "")
      .replace(/^\{|\}$/g, "")
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean);
    const isType =
      match[1] !== undefined || (names.length > 0 && names.every((name) => name.startsWith("type ")));
    found.push({ specifier: match[3] ?? "", isType });
  }
  for (const match of source.matchAll(/^import\s+"([^"]+)";|\b(?:import|require)\(\s*"([^"]+)"/gm)) {
    found.push({ specifier: match[1] ?? match[2] ?? "", isType: false });
  }
  return found;
}

function covers(allowed: readonly string[], specifier: string): boolean {
  return allowed.some((name) => specifier === name || specifier.startsWith(`${name}/`));
}

function faultsOf(folder: string, room: Room): string[] {
  return sourceFiles(join(root, folder)).flatMap((file) =>
    importsOf(readFileSync(file, "utf8")).flatMap(({ specifier, isType }) => {
      if (/^\.\/[\w-]+(\/[\w-]+)*$/.test(specifier)) return [];
      // Within one package that has folders of its own, the sibling folder is reached from src by ./ only from its root.
      if (specifier.startsWith("node:") && room.isPure !== true) return [];
      if (covers(room.uses, specifier)) return [];
      if (isType && covers(room.types ?? [], specifier)) return [];
      return [`${relative(root, file)} imports ${specifier}${isType ? " (type)" : ""}`];
    }),
  );
}

describe("the house", () => {
  it.each(Object.entries(rooms))("%s imports only what the map allows", (folder, room) => {
    expect(existsSync(join(root, folder))).toBe(true);
    expect(faultsOf(folder, room)).toEqual([]);
  });

  it("has no room that the map does not name", () => {
    const present = readdirSync(join(root, "services"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !["bin", "dist", "node_modules"].includes(entry.name))
      .map((entry) => `services/${entry.name}`);
    expect(present.filter((folder) => !(folder in rooms))).toEqual([]);
  });

  it("lets the simulator enter the pure rooms only, for it shows what they do without a real disk or network", () => {
    const pure = Object.entries(rooms)
      .filter(([, room]) => room.isPure === true)
      .map(([folder]) => `@quorate/${folder}`);
    const entered = sourceFiles(join(root, "tests/simulation"))
      .flatMap((file) => importsOf(readFileSync(file, "utf8")))
      .map(({ specifier }) => specifier)
      .filter((specifier) => specifier.startsWith("@quorate/") && !specifier.startsWith("@quorate/proto/"));
    expect(entered.length).toBeGreaterThan(0);
    expect(entered.filter((specifier) => !pure.includes(specifier))).toEqual([]);
  });

  it("keeps wall time and unseeded chance out of the pure rooms", () => {
    const pure = Object.entries(rooms).filter(([, room]) => room.isPure === true);
    const offenders = pure
      .flatMap(([folder]) => sourceFiles(join(root, folder)))
      .filter((file) => /\bDate\b|\bMath\.random\b/.test(withoutComments(readFileSync(file, "utf8"))))
      .map((file) => relative(root, file));
    expect(offenders).toEqual([]);
  });

  it("compiles every pure room without timers, node and DOM", () => {
    const config = JSON.parse(readFileSync(join(root, "services/tsconfig.pure.json"), "utf8"));
    const base = JSON.parse(readFileSync(join(root, "tsconfig.base.json"), "utf8"));
    const options = { ...base.compilerOptions, ...config.compilerOptions };
    expect({ lib: options.lib, types: options.types }).toEqual({ lib: ["ES2023"], types: [] });
    const pure = Object.entries(rooms).filter(([, room]) => room.isPure === true);
    expect([...config.include].sort()).toEqual(
      pure.map(([folder]) => `${folder.slice("services/".length)}/**/*.ts`).sort(),
    );
  });

  it("would notice a forbidden import", () => {
    const source =
      'import { readFileSync } from "node:fs";\nimport type { Raft } from "#raft";\nexport { x } from "../y";\n';
    expect(importsOf(source)).toEqual([
      { specifier: "node:fs", isType: false },
      { specifier: "#raft", isType: true },
      { specifier: "../y", isType: false },
    ]);
  });
});

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
}
