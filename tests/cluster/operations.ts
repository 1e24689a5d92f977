import { describe, expect } from "@jest/globals";
import { json } from "@quorate/client";
import { Consistency } from "@quorate/client/generated";
import { type BareEndpoint, bytes, type FileCluster, hex, noise, type TestCluster, text } from "#support";

/** Every way in: each node and the gateway. */
function entries(c: TestCluster): [string, BareEndpoint][] {
  return [...c.numbers.map((at): [string, BareEndpoint] => [`n${at}`, c.node(at)]), ["gateway", c.gateway()]];
}

async function getRecord(endpoint: BareEndpoint, key: Uint8Array) {
  return (await endpoint.kv.call("get", { key })).record;
}

/** What single keys, numbers and typed values do, through each node and a gateway. */
export function operations({ test }: FileCluster): void {
  describe("single keys", () => {
    test("A1: a get after a put returns the exact bytes and the revision, through each way in", async (c) => {
      for (const [way, endpoint] of entries(c)) {
        const key = bytes(`a1/${way}`);
        const value = noise(300, 1);
        const put = await endpoint.kv.call("put", { key, value });
        const revision = put.header?.revision ?? 0n;
        expect(revision).toBeGreaterThan(0n);
        const { header, record } = await endpoint.kv.call("get", { key });
        expect(hex(record?.value ?? bytes(""))).toBe(hex(value));
        expect({ ...record, key: undefined, value: undefined }).toEqual({
          key: undefined,
          value: undefined,
          createRevision: revision,
          modRevision: revision,
          version: 1n,
          leaseId: 0n,
        });
        expect(text(record?.key ?? bytes(""))).toBe(`a1/${way}`);
        expect(header?.revision).toBe(revision);
        expect(header?.clusterId).toBe(put.header?.clusterId);
      }
    });

    test("A2: an absent key has no record, which is not an empty value", async (c) => {
      for (const [way, endpoint] of entries(c)) {
        expect(await getRecord(endpoint, bytes(`a2/${way}/absent`))).toBeUndefined();
        await endpoint.kv.call("put", { key: bytes(`a2/${way}/empty`) });
        const record = await getRecord(endpoint, bytes(`a2/${way}/empty`));
        expect(record?.value).toHaveLength(0);
        expect(record?.version).toBe(1n);
      }
    });

    test("A3: an overwrite returns the new value and the revision strictly rises", async (c) => {
      const key = bytes("a3");
      let before = 0n;
      let created = 0n;
      for (const [at, [way, endpoint]] of entries(c).entries()) {
        const put = await endpoint.kv.call("put", { key, value: bytes(way), returnPrevious: true });
        const revision = put.header?.revision ?? 0n;
        expect(revision).toBeGreaterThan(before);
        created ||= revision;
        expect(put.previous?.modRevision ?? 0n).toBe(before);
        before = revision;
        const record = await getRecord(endpoint, key);
        expect(text(record?.value ?? bytes(""))).toBe(way);
        expect(record).toMatchObject({
          createRevision: created,
          modRevision: revision,
          version: BigInt(at + 1),
        });
      }
    });

    test("A4: a delete says deleted once, then not, and the key begins a new life", async (c) => {
      for (const [way, { kv }] of entries(c)) {
        const key = bytes(`a4/${way}`);
        await kv.call("put", { key, value: bytes("first life") });
        await kv.call("put", { key, value: bytes("still the first") });
        const deletion = await kv.call("delete", { key, returnPrevious: true });
        expect(deletion.deleted).toBe(1n);
        expect(text(deletion.previous?.value ?? bytes(""))).toBe("still the first");
        const again = await kv.call("delete", { key, returnPrevious: true });
        expect(again.deleted).toBe(0n);
        expect(again.previous).toBeUndefined();
        expect(again.header?.revision).toBe(deletion.header?.revision);
        expect((await kv.call("get", { key })).record).toBeUndefined();
        const put = await kv.call("put", { key });
        expect((await kv.call("get", { key })).record).toMatchObject({
          version: 1n,
          createRevision: put.header?.revision,
        });
      }
    });

    test("A5: an empty key is an invalid argument everywhere and an empty value round-trips", async (c) => {
      const empty = bytes("");
      for (const [way, { kv }] of entries(c)) {
        const replies = [
          await kv.attempt("put", { key: empty, value: bytes("x") }),
          await kv.attempt("get", { key: empty }),
          await kv.attempt("delete", { key: empty }),
          await kv.attempt("increment", { key: empty, delta: 1n }),
          await kv.attempt("append", { key: empty, value: bytes("x") }),
          await kv.attempt("prepend", { key: empty, value: bytes("x") }),
          await kv.attempt("batchGet", { keys: [bytes("a5"), empty] }),
          await kv.attempt("exists", { keys: [empty] }),
        ];
        for (const reply of replies) {
          expect(reply).toMatchObject({
            ok: false,
            code: "INVALID_ARGUMENT",
            message: expect.stringMatching(/key/),
          });
        }
        const key = bytes(`a5/${way}`);
        await kv.call("put", { key, value: empty });
        expect((await kv.call("get", { key })).record?.value).toHaveLength(0);
      }
    });

    test("A6: Unicode, blanks, control bytes, NUL and 0xFF round-trip in keys and values", async (c) => {
      const strange: readonly Uint8Array[] = [
        bytes("grüße 你好 🦀 \u{1F468}\u200D\u{1F469}\u200D\u{1F467} e\u0301"),
        bytes("with spaces  two"),
        bytes(" leading and trailing "),
        bytes("tab\there"),
        bytes("line\nfeed\r\nand more"),
        Uint8Array.of(0),
        Uint8Array.of(0, 0, 1),
        Uint8Array.of(0xff),
        Uint8Array.of(0xff, 0xff, 0),
        Uint8Array.of(0x61, 0, 0x62),
        Uint8Array.of(0xc3, 0x28, 0xa0, 0xa1),
        Uint8Array.from({ length: 256 }, (_, at) => at),
      ];
      const prefix = bytes("a6/");
      const keys = strange.map((tail) => Uint8Array.of(...prefix, ...tail));
      const ends = entries(c);
      for (const [at, key] of keys.entries()) {
        const [, { kv }] = ends[at % ends.length] as [string, BareEndpoint];
        await kv.call("put", { key, value: strange[(at + 1) % strange.length] as Uint8Array });
      }
      const inOrder = keys.map(hex).sort();
      for (const [, { kv }] of ends) {
        for (const [at, key] of keys.entries()) {
          const { record } = await kv.call("get", { key });
          expect(hex(record?.key ?? prefix)).toBe(hex(key));
          expect(hex(record?.value ?? prefix)).toBe(hex(strange[(at + 1) % strange.length] as Uint8Array));
        }
        const { messages } = await kv.stream("scan", { prefix });
        expect(messages.flatMap(({ records }) => records.map(({ key }) => hex(key)))).toEqual(inOrder);
      }
    });

    test("A7: values of 16 KiB, 256 KiB and limit-1 bytes reach all nodes intact", async (c) => {
      const limit = (await c.status(1)).limits?.valueBytesMax ?? 0n;
      expect(limit).toBe(1_048_576n);
      for (const lengthBytes of [16 * 1024, 256 * 1024, Number(limit) - 1, Number(limit)]) {
        const key = bytes(`a7/${lengthBytes}`);
        const value = noise(lengthBytes, lengthBytes);
        const follower = c.node((await c.followers())[0] as number);
        const revision = (await follower.kv.call("put", { key, value })).header?.revision ?? 0n;
        for (const node of c.numbers) {
          const stale = { key, consistency: Consistency.STALE, minRevision: revision };
          const { header, record } = await c.node(node).kv.call("get", stale);
          expect(header?.memberId).toBe(`n${node}`);
          const differing = value.findIndex((byte, at) => byte !== record?.value[at]);
          expect({ node, lengthBytes: record?.value.length, differing }).toEqual({
            node,
            lengthBytes,
            differing: -1,
          });
        }
      }
    });
  });

  describe("numbers", () => {
    test("A8: increments of a missing key count from 0, and negative deltas work", async (c) => {
      for (const [way, { kv }] of entries(c)) {
        const increment = async (name: string, delta: bigint) =>
          (await kv.call("increment", { key: bytes(`a8/${way}/${name}`), delta })).value;
        expect(await increment("up", 5n)).toBe(5n);
        expect(await increment("down", -5n)).toBe(-5n);
        expect(await increment("down", 7n)).toBe(2n);
        expect(await increment("up", -6n)).toBe(-1n);
        expect(await increment("up", 1n)).toBe(0n);
        expect(await increment("zero", 0n)).toBe(0n);
        const record = (await kv.call("get", { key: bytes(`a8/${way}/down`) })).record;
        expect(text(record?.value ?? bytes(""))).toBe("2");
        await kv.call("put", { key: bytes(`a8/${way}/stored`), value: bytes("-9007199254740993") });
        expect(await increment("stored", -1n)).toBe(-9007199254740994n);
      }
    });

    test("A9: an increment of what is no integer is a failed precondition and leaves the value", async (c) => {
      const words = [
        "abc",
        "",
        "1.5",
        " 1",
        "1 ",
        "01",
        "+1",
        "-0",
        "-",
        "0x10",
        "1e3",
        "9223372036854775808",
        "١",
      ];
      for (const [at, word] of words.entries()) {
        const [, { kv }] = entries(c)[at % 4] as [string, BareEndpoint];
        const key = bytes(`a9/${at}`);
        const put = await kv.call("put", { key, value: bytes(word) });
        const reply = await kv.attempt("increment", { key, delta: 1n });
        expect({ word, reply }).toMatchObject({ word, reply: { ok: false, code: "FAILED_PRECONDITION" } });
        const { header, record } = await kv.call("get", { key });
        expect(text(record?.value ?? bytes("?"))).toBe(word);
        expect(record?.modRevision).toBe(put.header?.revision);
        expect(header?.revision).toBe(put.header?.revision);
      }
    });

    test("A10: an overflow is out of range, leaves the value, and the nodes agree", async (c) => {
      const max = 2n ** 63n - 1n;
      const min = -(2n ** 63n);
      for (const [at, [start, delta]] of [
        [max, 1n],
        [max, max],
        [min, -1n],
        [min, min],
      ].entries()) {
        const { kv } = c.node((at % 3) + 1);
        const key = bytes(`a10/${at}`);
        expect((await kv.call("increment", { key, delta: start as bigint })).value).toBe(start);
        expect(await kv.attempt("increment", { key, delta: delta as bigint })).toMatchObject({
          ok: false,
          code: "OUT_OF_RANGE",
        });
        expect((await kv.call("increment", { key, delta: 0n })).value).toBe(start);
      }
      await c.agree();
    });

    test("A11: ten clients with a hundred increments each make exactly a thousand", async (c) => {
      const clients = Array.from({ length: 10 }, (_, at) => c.client(c.address((at % 3) + 1)));
      const seen = await Promise.all(
        clients.map(async ({ kv }) => {
          const values: bigint[] = [];
          for (let turn = 0; turn < 100; turn += 1) values.push(await kv.increment("a11"));
          return values;
        }),
      );
      expect(new Set(seen.flat()).size).toBe(1000);
      for (const values of seen) expect(values).toEqual([...values].sort((a, b) => Number(a - b)));
      expect(await c.client().kv.getText("a11")).toBe("1000");
      expect((await c.client().kv.get("a11"))?.version).toBe(1000);
      await c.agree();
    });
  });

  describe("values that grow", () => {
    test("A12: append and prepend return the new record, create a missing key, and an empty operand changes nothing", async (c) => {
      for (const [way, { kv }] of entries(c)) {
        const key = bytes(`a12/${way}`);
        const created = await kv.call("append", { key, value: bytes("m") });
        expect(text(created.record?.value ?? bytes(""))).toBe("m");
        expect(created.record?.version).toBe(1n);
        const appended = await kv.call("append", { key, value: Uint8Array.of(0, 0xff) });
        expect(hex(appended.record?.value ?? bytes(""))).toBe("6d00ff");
        const prepended = await kv.call("prepend", { key, value: bytes("vor") });
        expect(hex(prepended.record?.value ?? bytes(""))).toBe("766f726d00ff");
        expect(prepended.record).toMatchObject({ version: 3n, modRevision: prepended.header?.revision });
        for (const method of ["append", "prepend"] as const) {
          const nothing = await kv.call(method, { key, value: bytes("") });
          expect(nothing.record).toEqual(prepended.record);
          expect(nothing.header?.revision).toBe(prepended.header?.revision);
        }
        const empty = await kv.call("prepend", { key: bytes(`a12/${way}/new`), value: bytes("") });
        expect(empty.record).toMatchObject({ version: 1n, modRevision: empty.header?.revision });
        expect((await kv.call("get", { key })).record).toEqual(prepended.record);
      }
    });
  });

  describe("keys that are there", () => {
    test("A15: exists counts the named keys, duplicates counted", async (c) => {
      const { kv } = c.node(1);
      for (const name of ["one", "two"]) await kv.call("put", { key: bytes(`a15/${name}`) });
      const named = (names: string[]) => names.map((name) => bytes(`a15/${name}`));
      for (const [, endpoint] of entries(c)) {
        const count = async (names: string[]) =>
          (await endpoint.kv.call("exists", { keys: named(names) })).count;
        expect(await count([])).toBe(0n);
        expect(await count(["absent"])).toBe(0n);
        expect(await count(["one"])).toBe(1n);
        expect(await count(["one", "two", "absent"])).toBe(2n);
        expect(await count(["one", "one", "absent", "two", "one", "absent"])).toBe(4n);
      }
    });
  });

  describe("typed values", () => {
    test("A19: JSON of every kind round-trips through the typed client", async (c) => {
      const values: Readonly<Record<string, unknown>> = {
        string: 'with "quotes", \\, \n, 你好 and 🦀',
        empty: "",
        integer: 42,
        negative: -7,
        largest: Number.MAX_SAFE_INTEGER,
        float: 0.30000000000000004,
        small: 5e-324,
        true: true,
        false: false,
        null: null,
        list: [1, "two", [3, []], null, false],
        nested: { a: { b: { c: [{ d: 1 }, {}] } }, "": "an empty name", "with space": null },
      };
      const writer = c.client(1).kv.collection("a19/", json<unknown>());
      for (const [id, value] of Object.entries(values)) await writer.put(id, value);
      for (const entry of [...c.numbers.map((node) => c.address(node)), c.gateway().address]) {
        const collection = c.client(entry).kv.collection("a19/", json<unknown>());
        for (const [id, value] of Object.entries(values)) expect(await collection.get(id)).toEqual(value);
        expect(await collection.get("absent")).toBeUndefined();
        const listed: Record<string, unknown> = {};
        for await (const { id, value } of collection.scan()) listed[id] = value;
        expect(listed).toEqual(values);
      }
      await expect(writer.put("nan", Number.NaN)).rejects.toThrow(/NaN/);
    });
  });
}
