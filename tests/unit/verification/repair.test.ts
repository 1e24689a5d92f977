import { describe, expect, test } from "@jest/globals";
import { utf8Encode } from "@quorate/services/std";
import { put, VirtualCluster } from "./cluster-rig";

const KEYS = Array.from({ length: 400 }, (_, at) => `key-${at}`);

describe("repair", () => {
  test.each([
    { what: "one byte", key: Uint8Array.of(0x61) },
    { what: "a short key", key: utf8Encode("ab") },
    { what: "a long key", key: new Uint8Array(2048).fill(0x6b) },
    { what: "a non-ASCII key", key: utf8Encode("schlüssel-ключ-鍵") },
    { what: "bytes that are no text", key: Uint8Array.of(0xff, 0x00, 0xc3, 0x28) },
  ])("H5: a corrupted follower is found and repaired: $what", async ({ key }) => {
    const cluster = new VirtualCluster();
    await cluster.commit(...KEYS.map((name) => put(name)), put(key, "right"));
    expect((await cluster.verify()).consistent).toBe(true);
    const wrong = cluster.member("n3");
    expect(wrong.disk.corruptRecord({ namespaceId: 1, generation: 1, key, value: utf8Encode("wrong") })).toBe(
      true,
    );

    const found = await cluster.verify();
    expect(found.consistent).toBe(false);
    expect(found.members.map(({ member, agrees }) => [member, agrees])).toEqual([
      ["n1", true],
      ["n2", true],
      ["n3", false],
    ]);
    expect(found.diverged).toEqual([
      { member: "n3", namespaceId: 1, generation: 1, key, difference: "different" },
    ]);
    await cluster.eventually("it is repaired", () => wrong.repaired.length > 0);
    expect(wrong.repaired).toEqual([{ kind: "records", from: "n1", records: 1 }]);
    expect((await cluster.verify()).consistent).toBe(true);
    expect(wrong.verifier.status().recordsRepaired).toBe(1);
    cluster.close();
  });
});
