import { describe, expect, test } from "@jest/globals";
import { KeptField, type OutgoingField } from "@quorate/proto/http2";
import fc from "fast-check";
import { HEADER_LIST_BYTES_MAX, HeaderDecoder } from "../../../../proto/http2/header-decoder";
import { HeaderEncoder } from "../../../../proto/http2/header-encoder";
import type { Headers } from "../../../../proto/http2/headers";

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(" ", ""), "hex");
}

function said(headers: Headers, names: readonly string[]): readonly (string | null)[] {
  return names.map((name) => headers.get(name));
}

describe("the examples of RFC 7541", () => {
  const names = [":method", ":scheme", ":path", ":authority", "cache-control", "custom-key"];
  const requests = [
    ["GET", "http", "/", "www.example.com", null, null],
    ["GET", "http", "/", "www.example.com", "no-cache", null],
    ["GET", "https", "/index.html", "www.example.com", null, "custom-value"],
  ];

  test.each([
    [
      "C.3, as they are",
      [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ],
    ],
    [
      "C.4, by Huffman's code",
      [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ],
    ],
  ])("requests, %s", (_name, blocks) => {
    const decoder = new HeaderDecoder();
    expect(blocks.map((block) => said(decoder.decode(bytes(block)), names))).toEqual(requests);
  });

  test("C.6, answers that take the places of older ones in a table of 256 bytes", () => {
    const names = [":status", "cache-control", "date", "location", "content-encoding", "set-cookie"];
    const date = "Mon, 21 Oct 2013 20:13:21 GMT";
    const location = "https://www.example.com";
    const decoder = new HeaderDecoder();
    const blocks = [
      // The table is made as small as in the example first.
      `3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
       8f0b 97c8 e9ae 82ae 43d3`,
      "4883 640e ffc1 c0bf",
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf
       cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ].map((block) => bytes(block.replaceAll(/\s/g, "")));
    expect(blocks.map((block) => said(decoder.decode(block), names))).toEqual([
      ["302", "private", date, location, null, null],
      ["307", "private", date, location, null, null],
      [
        "200",
        "private",
        "Mon, 21 Oct 2013 20:13:22 GMT",
        location,
        "gzip",
        "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
      ],
    ]);
  });
});

describe("a header block", () => {
  test.each([
    ["with the field 0", "80"],
    ["with a field that was not told", "be"],
    ["with the name of a field that was not told", "7f 00 01 61"],
    ["whose last number is cut off", "ff"],
    ["whose number has no end", "ff ff ff ff ff ff ff ff ff ff"],
    ["whose number goes on with nothing", `00 01 61 7f 80 80 80 80 80 80 00 ${"61".repeat(127)}`],
    ["whose text is cut off", "00 03 61 62"],
    ["whose text is missing", "00"],
    ["that makes the table larger than it may be", "3f e2 1f"],
    ["that changes the table behind a field", "82 20"],
    ["whose Huffman code says the end", "00 01 61 84 ff ff ff ff"],
    ["whose Huffman code ends in zeros", "00 01 61 81 18"],
    ["whose Huffman code ends in a whole byte of ones", "00 01 61 82 1f ff"],
    ["whose Huffman code is whole before a byte of ones", "00 01 61 82 f8 ff"],
  ])("%s is refused", (_name, block) => {
    expect(() => new HeaderDecoder().decode(bytes(block))).toThrow(expect.objectContaining({ code: 9 }));
  });

  test("joins fields of one name", () => {
    const headers = new HeaderDecoder().decode(bytes("00 01 61 01 31 00 01 61 01 32"));
    expect([headers.get("a"), headers.get("b")]).toEqual(["1, 2", null]);
  });

  test("of more fields than are taken says so, and those behind it are read all the same", () => {
    const decoder = new HeaderDecoder();
    const kept = bytes("40 01 61 01 31");
    const many = Buffer.concat([
      kept,
      Buffer.alloc(HEADER_LIST_BYTES_MAX / 32, 0xbe),
      bytes("40 01 62 01 32"),
    ]);
    expect(decoder.decode(many).isCutOff).toBe(true);
    const next = decoder.decode(bytes("be bf"));
    expect([next.isCutOff, next.get("b"), next.get("a")]).toEqual([false, "2", "1"]);
  });

  test("of whatever bytes is read or refused", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }), (blocks) => {
        const decoder = new HeaderDecoder();
        try {
          for (const block of blocks) decoder.decode(Buffer.from(block));
        } catch (error) {
          expect(error).toMatchObject({ name: "ConnectionError", code: 9 });
        }
      }),
    );
  });
});

test("fields that are kept are meant by their numbers, however many there are", () => {
  const fields = Array.from({ length: 100 }, (_, nth) => new KeptField(`n${nth}`, `v${nth}`));
  const encoder = new HeaderEncoder();
  const decoder = new HeaderDecoder();
  const lengths: number[] = [];
  for (const said of [fields, fields.toReversed()]) {
    const block = Buffer.alloc(encoder.bytesMax(said));
    const end = encoder.encode(said, block, 0);
    const headers = decoder.decode(block.subarray(0, end));
    expect(said.map(({ name }) => headers.get(name))).toEqual(said.map(({ value }) => value));
    lengths.push(end);
  }
  // Numbers of one byte or two.
  expect(lengths[1]).toBeLessThan(200);
});

test("a table that was smaller for a while is said to have been, for the other side has emptied it", () => {
  const field = new KeptField("name", "value");
  const encoder = new HeaderEncoder();
  const block = (): Buffer => {
    const room = Buffer.alloc(encoder.bytesMax([field]));
    return room.subarray(0, encoder.encode([field], room, 0));
  };
  block();
  encoder.setTableBytesMax(0);
  encoder.setTableBytesMax(100);
  const said = block();
  expect(said.subarray(0, 3)).toEqual(bytes("20 3f 45"));
  expect(said.includes("value")).toBe(true);
  expect(block()).toHaveLength(1);
});

test("what is encoded is decoded, whatever is kept, and whatever becomes of the table", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
  const value = fc.stringMatching(/^[\x20-\x7e]{0,200}$/);
  const keptFields = fc.array(
    fc.tuple(name, value).map((field) => new KeptField(...field)),
    { minLength: 1, maxLength: 40 },
  );
  const blocks = fc.array(
    fc.record({
      tableBytesMax: fc.option(fc.nat(5000)),
      picks: fc.array(fc.oneof(fc.nat(39), fc.tuple(name, value)), { maxLength: 10 }),
    }),
    { maxLength: 10 },
  );
  fc.assert(
    fc.property(keptFields, blocks, (kept, blocks) => {
      const encoder = new HeaderEncoder();
      const decoder = new HeaderDecoder();
      for (const { tableBytesMax, picks } of blocks) {
        if (tableBytesMax !== null) encoder.setTableBytesMax(tableBytesMax);
        const fields: OutgoingField[] = picks.map((pick) =>
          typeof pick === "number" ? (kept[pick % kept.length] as KeptField) : pick,
        );
        const block = Buffer.alloc(encoder.bytesMax(fields));
        const headers = decoder.decode(block.subarray(0, encoder.encode(fields, block, 0)));
        const expected = new Map<string, string>();
        for (const field of fields) {
          const [name, value] = field instanceof KeptField ? [field.name, field.value] : field;
          const before = expected.get(name);
          expected.set(name, before === undefined ? value : `${before}, ${value}`);
        }
        for (const [name, value] of expected) expect(headers.get(name)).toBe(value);
      }
    }),
  );
});
