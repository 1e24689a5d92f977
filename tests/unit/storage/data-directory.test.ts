import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { createDataDirectory, diskBytes, openDataDirectory, openStores } from "@quorate/services/storage";
import { IDENTITY } from "../../compliance/level-rig";

describe("data directory", () => {
  let root: string;
  let path: string;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "quorate-storage-"));
    path = join(root, "a", "b", "data");
  });

  afterEach(() => rm(root, { recursive: true, force: true }));

  const create = (more: object = {}) => createDataDirectory({ path, ...IDENTITY, ...more });
  const open = (more: object = {}) => openDataDirectory({ path, clusterId: "c1", memberId: "n1", ...more });

  it("is made once, with a random store id, and is then opened as it is", async () => {
    const created = await create();
    expect(created).toMatchObject({
      kind: "opened",
      created: true,
      directory: {
        path,
        identity: { formatVersion: 7, clusterId: "c1", memberId: "n1", members: IDENTITY.members },
      },
    });
    const storeId = created.kind === "opened" ? created.directory.identity.storeId : "";
    expect(storeId).toMatch(/^[0-9a-f]{32}$/);
    for (const again of [await create(), await open(), await open({ clusterId: null })]) {
      expect(again).toMatchObject({ kind: "opened", created: false, directory: { identity: { storeId } } });
    }
  });

  it("draws another store id for each directory", async () => {
    await create();
    const first = await open();
    await rm(path, { recursive: true });
    await create();
    const second = await open();
    const storeIds = [first, second].map((found) =>
      found.kind === "opened" ? found.directory.identity.storeId : "",
    );
    expect(storeIds[0]).not.toBe(storeIds[1]);
  });

  const refusals: [string, () => Promise<unknown>, string, RegExp][] = [
    ["a missing directory", () => open(), "not_bootstrapped", /--bootstrap/],
    ["another member", () => create().then(() => open({ memberId: "n2" })), "other_member", /n1.*n2.*--id/],
    [
      "another member to be made",
      () => create().then(() => create({ memberId: "n2" })),
      "other_member",
      /--id/,
    ],
    ["another cluster", () => create().then(() => open({ clusterId: "c2" })), "other_cluster", /c1.*c2/],
    [
      "other members",
      () => create().then(() => create({ members: IDENTITY.members.slice(0, 1) })),
      "other_members",
      /without --bootstrap/,
    ],
    [
      "files of something else",
      async () => {
        await mkdir(path, { recursive: true });
        await writeFile(join(path, "photo.jpg"), "");
        return create();
      },
      "not_ours",
      /empty --data-dir/,
    ],
    [
      "an empty directory without bootstrap",
      () => mkdir(path, { recursive: true }).then(() => open()),
      "not_bootstrapped",
      /--bootstrap/,
    ],
    [
      "a file in its place",
      async () => {
        await mkdir(join(root, "a", "b"), { recursive: true });
        await writeFile(path, "");
        return create();
      },
      "not_accessible",
      /ENOTDIR|EEXIST/,
    ],
  ];

  it.each(refusals)("refuses %s in one line that says what to do", async (_, act, reason, message) => {
    const outcome = await act();
    expect(outcome).toMatchObject({ kind: "refused", reason, message: expect.stringMatching(message) });
    expect((outcome as { message: string }).message).not.toContain("\n");
  });

  it("refuses a format that it does not know, and a damaged identity, with bootstrap and without", async () => {
    await create();
    const file = join(path, "identity.json");
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace("c1", "c2"));
    for (const act of [open, create])
      expect(await act()).toMatchObject({ kind: "refused", reason: "damaged" });
    const json = JSON.stringify({ formatVersion: 9 });
    await writeFile(file, `${json}\n${createHash("sha256").update(json).digest("hex")}\n`);
    for (const act of [open, create]) {
      expect(await act()).toMatchObject({
        kind: "refused",
        reason: "unknown_format",
        message: expect.stringContaining("has format 9, this version reads 7"),
      });
    }
  });

  it("recognises a directory that a crash left half made, at each step, and makes it anew with bootstrap only", async () => {
    await create();
    const steps: (readonly string[])[] = [
      ["creating"],
      ["creating", "log"],
      ["creating", "log", "state-1"],
      ["creating", "log", "state-1", "state.current"],
      ["creating", "log", "state-1", "state.current", "identity.json.partial"],
    ];
    for (const kept of steps) {
      await writeFile(join(path, "creating"), "");
      await writeFile(join(path, "identity.json.partial"), "{");
      for (const name of await readdir(path)) {
        if (!kept.includes(name)) await rm(join(path, name), { recursive: true });
      }
      expect(await open()).toMatchObject({ kind: "refused", reason: "not_bootstrapped" });
      expect(await create()).toMatchObject({ kind: "opened", created: true });
      expect((await readdir(path)).sort()).toEqual(["identity.json", "log", "state-1", "state.current"]);
    }
  });

  it("a crash after the identity was written leaves a whole directory", async () => {
    await create();
    await writeFile(join(path, "creating"), "");
    expect(await open()).toMatchObject({ kind: "opened", created: false });
    expect(await readdir(path)).not.toContain("creating");
  });

  it("a directory that lost its identity is not made anew", async () => {
    await create();
    await rm(join(path, "identity.json"));
    expect(await create()).toMatchObject({ kind: "refused", reason: "not_ours" });
    expect(await open()).toMatchObject({ kind: "refused", reason: "not_bootstrapped" });
  });

  it("is refused while another process has it open", async () => {
    const created = await create();
    if (created.kind !== "opened") throw new Error(created.message);
    const holder = spawn(process.execPath, [
      "-e",
      `const { ClassicLevel } = require("classic-level");
       const database = new ClassicLevel(${JSON.stringify(join(path, "state-1"))});
       database.open().then(() => process.stdout.write("open"));
       process.stdin.resume().on("end", () => process.exit(0));`,
    ]);
    try {
      await once(holder.stdout, "data");
      expect(await openStores(created.directory)).toMatchObject({
        kind: "refused",
        reason: "locked",
        message: expect.stringMatching(/in use by another process.*--data-dir/),
      });
    } finally {
      holder.stdin.end();
      await once(holder, "exit");
    }
    const outcome = await openStores(created.directory);
    expect(outcome.kind).toBe("opened");
    expect(await openStores(created.directory)).toMatchObject({ kind: "refused", reason: "locked" });
    if (outcome.kind === "opened") await outcome.stores.close();
  });

  it("knows how much room it takes", async () => {
    await create();
    await writeFile(join(path, "log", "ballast"), Buffer.alloc(100_000));
    expect(await diskBytes(path)).toBeGreaterThan(100_000);
    expect(await diskBytes(path)).toBeLessThan(200_000);
    // What nobody wrote takes none.
    await truncate(join(path, "log", "ballast"), 10_000_000);
    expect(await diskBytes(path)).toBeLessThan(200_000);
  });

  it("counts its room also while directories in it go, as a state does that another took the place of", async () => {
    for (let round = 0; round < 20; round += 1) {
      const states = Array.from({ length: 20 }, (_, at) => join(root, "many", `state-${at}`));
      await Promise.all(states.map((state) => mkdir(join(state, "deeper"), { recursive: true })));
      const counted = diskBytes(root);
      await Promise.all(states.map((state) => rm(state, { recursive: true })));
      expect(await counted).toBe(0);
    }
  });
});
