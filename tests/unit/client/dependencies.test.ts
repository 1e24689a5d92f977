import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "@jest/globals";

const ROOT = resolve(__dirname, "../../..");

interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly resolved?: string;
  readonly link?: boolean;
}

/** All packages that installing one of the workspace brings along, by the lock file. */
function closureOf(workspace: string): ReadonlySet<string> {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, LockedPackage>>;
  };
  const names = new Set<string>();
  const visit = (path: string) => {
    const locked = lock.packages[path];
    if (locked === undefined) throw new Error(`${path} is not in the lock file`);
    for (const name of Object.keys({ ...locked.dependencies, ...locked.optionalDependencies })) {
      if (names.has(name)) continue;
      names.add(name);
      const place = lock.packages[`node_modules/${name}`];
      visit(place?.link === true ? (place.resolved as string) : `node_modules/${name}`);
    }
  };
  visit(workspace);
  return names;
}

test("the client installs without LevelDB, without another gRPC and without any server code", () => {
  const names = closureOf("clients/typescript");
  expect([...names]).toEqual(
    expect.arrayContaining(["@quorate/proto", "nice-grpc-common", "@bufbuild/protobuf"]),
  );
  for (const name of [
    "level",
    "classic-level",
    "abstract-level",
    "@grpc/grpc-js",
    "nice-grpc",
    "@quorate/services",
    "pino",
    "commander",
  ]) {
    expect([...names]).not.toContain(name);
  }
});

test("the same look finds LevelDB where it is", () => {
  expect([...closureOf("services")]).toContain("classic-level");
});
