import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { crc32 } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { backup, verifyBackup } from "@quorate/services/backup";
import { type Log, SILENT_LOG } from "@quorate/services/forward";
import { decodeCommand, foundingMembership } from "@quorate/services/kv";
import { backupVerdict, type DataOutcome, nodeConfig, openData } from "@quorate/services/node";
import type { Entry } from "@quorate/services/raft";
import type { FrozenState } from "@quorate/services/replica";
import { batch, namespace, pairs, put } from "../../compliance/state-samples";
import { Workplace } from "../../support/workplace";

const MEMBERS = "n1=127.0.0.1:1/127.0.0.1:21,n2=127.0.0.1:2/127.0.0.1:22,n3=127.0.0.1:3/127.0.0.1:23";
const KEYS = 2000;

let workplace: Workplace;
/** Where the directory and the backup lie that tests begin with copies of, and the store id of the directory. */
let original: Workplace;
let storeId = "";

beforeAll(async () => {
  original = new Workplace();
  workplace = original;
  storeId = await write();
  await saveBackup();
});

afterAll(() => original.remove());

beforeEach(() => {
  workplace = new Workplace();
});

afterEach(() => workplace.remove());

function opened(...more: readonly string[]): Promise<DataOutcome> {
  return openedWith(SILENT_LOG, ...more);
}

async function openedWith(log: Log, ...more: readonly string[]): Promise<DataOutcome> {
  const outcome = nodeConfig(["--id", "n1", "--data-dir", workplace.at("n1"), ...more], {});
  if (outcome.kind !== "config") throw new Error(JSON.stringify(outcome));
  return openData(outcome.config, log, new AbortController().signal);
}

type Opened = Extract<DataOutcome, { readonly kind: "opened" }>;

function sound(...more: readonly string[]): Promise<Opened> {
  return soundWith(SILENT_LOG, ...more);
}

async function soundWith(log: Log, ...more: readonly string[]): Promise<Opened> {
  const outcome = await openedWith(log, ...more);
  if (outcome.kind !== "opened") throw new Error(JSON.stringify(outcome));
  return outcome;
}

function said(outcome: DataOutcome): string {
  return outcome.kind === "refused" ? `${outcome.setting}: ${outcome.message}` : outcome.kind;
}

function entry(index: number): Entry {
  return { term: 1, index, kind: "normal", data: Uint8Array.of(index % 256) };
}

/** The directory of n1 as some writes left it: log and state end alike. @returns its store id */
async function written(): Promise<string> {
  await cp(original.at("n1"), workplace.at("n1"), { recursive: true });
  return storeId;
}

/** A backup of what that directory holds. */
async function backedUp(): Promise<string> {
  await cp(original.at("backup"), workplace.at("backup"));
  return workplace.at("backup");
}

async function write(): Promise<string> {
  const { stores, own } = await sound("--bootstrap", "--members", MEMBERS, "--cluster-id", "c");
  const entries = Array.from({ length: KEYS }, (_, at) => entry(at + 1));
  await stores.log.append({ entries, hardState: { term: 1, vote: "n2", commit: KEYS } }, { sync: true });
  for (const { index } of entries) {
    const change = put(`k${String(index).padStart(5, "0")}`, `v${index}`, index);
    await stores.state.write(batch(index, [change], { namespaces: [namespace({ keyCount: index })] }));
  }
  await stores.close();
  return own.storeId;
}

async function saveBackup(): Promise<void> {
  const { stores } = await sound();
  const file = workplace.at("backup");
  const frozen = stores.state.freeze();
  const pieces: Uint8Array[] = [];
  const facts = { clusterId: "c", wallMs: 0, softwareVersion: "test" };
  for await (const piece of backup(frozen, facts)) pieces.push(piece);
  frozen.close();
  await stores.close();
  writeFileSync(file, Buffer.concat(pieces));
}

/** Flags of the first start of a cluster that begins with a backup. */
function restoring(
  file: string,
  changes: { readonly id?: string; readonly clusterId?: string } = {},
): string[] {
  const { id = "n1", clusterId = "c2" } = changes;
  const members = ["--members", "n1=10.0.0.1:1/10.0.0.1:2,n9=10.0.0.9:1/10.0.0.9:2"];
  return [
    ...["--id", id, "--data-dir", workplace.at(`${id}-restored`), "--cluster-id", clusterId],
    ...["--bootstrap", "--restore", file, ...members],
  ];
}

/** @param accepted a connection came, which is ended */
async function listener(accepted: () => void = () => undefined) {
  const taker = createServer((socket) => {
    accepted();
    socket.destroy();
  });
  const port = await new Promise<number>((resolve) => {
    taker.listen(0, "127.0.0.1", () => resolve((taker.address() as { port: number }).port));
  });
  return { taker, port };
}

/** Flags of a node that joins by way of that port, and has whatever ports of its own. */
function joining(port: number): string[] {
  return [
    ...["--join", `127.0.0.1:${port}`],
    ...["--advertise-client", "127.0.0.1:1", "--advertise-peer", "127.0.0.1:21"],
    ...["--listen-client", "127.0.0.1:0", "--listen-peer", "127.0.0.1:0"],
  ];
}

describe("a cluster that begins with a backup", () => {
  test("F6: has its records and revisions, and members of its own", async () => {
    await written();
    const file = await backedUp();
    expect(await verifyBackup(file)).toMatchObject({ kind: "sound", info: { revision: KEYS } });
    expect(await backupVerdict(file)).toEqual({
      isSound: true,
      line: expect.stringMatching(
        /is sound: cluster c at revision 2000, entry 2000, taken 1970-.*; 2000 keys,/,
      ),
    });
    const ends = new Set<string>();
    for (const id of ["n1", "n9"]) {
      const { stores, own } = await sound(...restoring(file, { id }));
      const { resident, applied } = stores.state.opened;
      expect(own).toMatchObject({ clusterId: "c2", memberId: id });
      expect(resident.meta.revision).toBe(KEYS);
      expect(resident.membership.members.map(({ memberId, storeId }) => [memberId, storeId])).toEqual([
        ["n1", null],
        ["n9", null],
      ]);
      expect(resident.membership.configuration.voters).toEqual(["n1", "n9"]);
      expect(await pairs(stores.state)).toHaveLength(KEYS);
      expect([stores.log.firstIndex(), stores.log.lastIndex()]).toEqual([KEYS + 1, KEYS]);
      ends.add(JSON.stringify([applied, stores.log.hardState]));
      await stores.close();
    }
    // Each member of the new cluster begins alike.
    expect([...ends]).toEqual([
      JSON.stringify([
        { term: 1, index: KEYS },
        { term: 1, vote: null, commit: KEYS },
      ]),
    ]);
  });

  test("F6: is started again like any other", async () => {
    await written();
    const file = await backedUp();
    const first = await sound(...restoring(file));
    await first.stores.close();
    await rm(file);
    const again = await sound(...restoring(file));
    expect(again.own.storeId).toBe(first.own.storeId);
    await again.stores.close();
  });

  test("F6: is refused where the file is damaged anywhere, and nothing is made", async () => {
    await written();
    const file = await backedUp();
    const bytes = readFileSync(file);
    const places = Array.from({ length: 40 }, (_, at) => Math.floor((at * bytes.byteLength) / 40));
    const refusals = new Set<string>();
    for (const place of [...places, bytes.byteLength - 1]) {
      const damaged = Buffer.from(bytes);
      damaged[place] = (damaged[place] as number) ^ 0x10;
      writeFileSync(file, damaged);
      refusals.add(
        said(await opened(...restoring(file)))
          .replace(/\d+/g, "N")
          .slice(0, "restore".length),
      );
    }
    for (const length of [0, 7, 100, bytes.byteLength / 2, bytes.byteLength - 1]) {
      writeFileSync(file, bytes.subarray(0, length));
      refusals.add(said(await opened(...restoring(file))).slice(0, "restore".length));
    }
    writeFileSync(file, Buffer.concat([bytes, Buffer.from("more")]));
    refusals.add(said(await opened(...restoring(file))).slice(0, "restore".length));
    expect([...refusals]).toEqual(["restore"]);
    expect(existsSync(workplace.at("n1-restored"))).toBe(false);
  });

  test("F6: a file that is whole, of a state that is not, is found out before it is restored", async () => {
    await written();
    const file = workplace.at("backup");
    const { stores } = await sound();
    const frozen = stores.state.freeze();
    // As a memory would that flipped a bit between the disk and the file.
    const spoiled: FrozenState = {
      ...frozen,
      header: frozen.header,
      scan: (query) => frozen.scan(query),
      close: () => frozen.close(),
      async *chunks(after) {
        for await (const chunk of frozen.chunks(after)) {
          const data = Buffer.from(chunk.data);
          const middle = data.length >> 1;
          data.writeUInt8((data.readUInt8(middle) + 1) % 256, middle);
          yield { ...chunk, data, checksum: crc32(data) };
        }
      },
    };
    const pieces: Uint8Array[] = [];
    const facts = { clusterId: "c", wallMs: 0, softwareVersion: "test" };
    for await (const piece of backup(spoiled, facts)) pieces.push(piece);
    frozen.close();
    await stores.close();
    writeFileSync(file, Buffer.concat(pieces));
    expect(await verifyBackup(file)).toMatchObject({ kind: "sound" });
    expect(await backupVerdict(file)).toMatchObject({
      isSound: false,
      line: expect.stringContaining("cannot be restored: an image of the state is damaged"),
    });
    expect(said(await opened(...restoring(file)))).toMatch(/^restore: .* cannot be restored: an image/);
    expect(readdirSync(workplace.at("n1-restored"))).toEqual([]);
  });

  test("F6: does not take the id of the one that the backup is of", async () => {
    await written();
    const file = await backedUp();
    expect(said(await opened(...restoring(file, { clusterId: "c" })))).toMatch(
      /^cluster-id: c is the cluster that the backup was taken from/,
    );
    expect(existsSync(workplace.at("n1-restored"))).toBe(false);
  });

  test("is not put into a directory that holds something else", async () => {
    await written();
    const file = await backedUp();
    writeFileSync(workplace.at("n1-restored"), "a file");
    expect(said(await opened(...restoring(file)))).toMatch(/^data-dir: /);
    expect(readFileSync(workplace.at("n1-restored"), "utf8")).toBe("a file");
  });
});

describe("a forced new cluster", () => {
  const FORCED = ["--force-new-cluster", "n1", "--cluster-id", "alone"];

  test("has its member alone, all that the log held, and another id", async () => {
    await written();
    const { stores, own } = await sound(...FORCED);
    expect(own).toEqual({
      clusterId: "alone",
      memberId: "n1",
      storeId,
      clientAddress: "127.0.0.1:1",
      peerAddress: "127.0.0.1:21",
    });
    const { log } = stores;
    expect(log.hardState).toEqual({ term: 2, vote: null, commit: KEYS + 1 });
    const [added] = log.entries({ from: KEYS + 1, toExclusive: KEYS + 2, bytesMax: 1_000_000 });
    expect(added).toMatchObject({ term: 2, kind: "conf_change_v2" });
    const command = decodeCommand((added as Entry).data);
    expect(command).toMatchObject({
      operation: {
        $case: "changeMembership",
        value: { configuration: { voters: ["n1"], votersOutgoing: [] } },
      },
    });
    await stores.close();
  });

  test("is not forced under the id that the cluster has already, and that is said", async () => {
    await written();
    const warn = jest.fn();
    const { stores } = await soundWith(
      { ...SILENT_LOG, warn },
      "--force-new-cluster",
      "n1",
      "--cluster-id",
      "c",
    );
    expect(stores.log.lastIndex()).toBe(KEYS);
    await stores.close();
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]?.[1]).toMatch(/^nothing was forced: .*cluster c already; .*never used$/);
  });

  test("is forced once, however often it is started so", async () => {
    await written();
    for (const _ of [1, 2]) {
      const { stores } = await sound(...FORCED);
      expect(stores.log.lastIndex()).toBe(KEYS + 1);
      await stores.close();
    }
    const { stores } = await sound("--cluster-id", "alone");
    await stores.close();
    expect(said(await opened("--cluster-id", "c"))).toContain("belongs to cluster alone, not c");
  });
});

describe("what is on the disk of a node", () => {
  test("E8: a state that is lost while the log is whole is built anew", async () => {
    await written();
    await rm(workplace.at("n1", "state-1"), { recursive: true });
    const { stores } = await sound();
    expect(stores.state.opened.applied.index).toBe(0);
    expect(stores.log.lastIndex()).toBe(KEYS);
    await stores.close();
  });

  test("E8: a state that is lost with the log's beginning is asked of the others, and what is missing is said", async () => {
    await written();
    const { stores } = await sound();
    await stores.state.checkpoint();
    await stores.log.cut(KEYS / 2);
    await stores.close();
    await rm(workplace.at("n1", "state-1"), { recursive: true });
    // Nobody is there: the ports belong to nobody, and the start is patient for a second only.
    const line = said(await opened("--join-timeout-ms", "1000"));
    expect(line).toMatch(/^data-dir: .*no other member gave its state: .*quorate member replace n1 NEWID$/);
    expect(line).not.toContain("\n");
  });

  test("a disk that was wiped is no voter's: what to do is said", async () => {
    await written();
    await rm(workplace.at("n1"), { recursive: true });
    expect(said(await opened())).toMatch(
      /^data-dir: .* holds no data of a member: .*; to replace it: quorate member replace n1 NEWID$/,
    );
  });

  test("G6: a member that was removed stays away: its start says so, and nothing is asked of anyone", async () => {
    await written();
    const { stores } = await sound();
    const membership = { ...foundingMembership([]), epoch: 1, retiredStores: [storeId] };
    await stores.state.write(batch(KEYS + 1, [], { membership }));
    await stores.log.append({ entries: [entry(KEYS + 1)], hardState: null }, { sync: true });
    await stores.close();
    const outcome = await opened();
    expect(outcome).toMatchObject({ kind: "refused", isRemoval: true });
    expect(said(outcome)).toMatch(/^data-dir: .* is that of a member that was removed from the cluster/);
  });

  test("the directory of another cluster is refused by both ids", async () => {
    await written();
    expect(said(await opened("--cluster-id", "other"))).toMatch(/belongs to cluster c, not other: check/);
  });

  test("a node that joins leaves nothing where nobody answers", async () => {
    const { taker, port } = await listener();
    await new Promise((resolve) => taker.close(resolve));
    const outcome = await opened(...joining(port), "--join-timeout-ms", "1000");
    expect(said(outcome)).toMatch(/^join: no node of the cluster could be asked/);
    expect(readdirSync(workplace.path)).toEqual(["pids"]);
  });

  test.each(["client", "peer", "metrics"])(
    "a node that joins asks the cluster for nothing where its %s port is taken",
    async (which) => {
      let asked = 0;
      const seed = await listener(() => {
        asked += 1;
      });
      const other = await listener();
      try {
        const flags = [...joining(seed.port), `--listen-${which}`, `127.0.0.1:${other.port}`];
        await expect(opened(...flags, "--join-timeout-ms", "1000")).rejects.toMatchObject({
          name: "ListenFailure",
          setting: `listen-${which}`,
        });
        expect(asked).toBe(0);
        expect(readdirSync(workplace.path)).toEqual(["pids"]);
      } finally {
        await Promise.all([seed, other].map(({ taker }) => new Promise((resolve) => taker.close(resolve))));
      }
    },
  );

  test("a node that joins is not given one port for two purposes", async () => {
    const { taker, port } = await listener();
    await new Promise((resolve) => taker.close(resolve));
    const twice = ["--listen-client", `127.0.0.1:${port}`, "--listen-peer", `127.0.0.1:${port}`];
    await expect(opened(...joining(port), ...twice)).rejects.toMatchObject({ setting: "listen-client" });
  });
});
