import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "@jest/globals";
import { integer, json, protobuf, QuorateError, type StandardSchema, standard, text } from "@quorate/client";
import { LeaderHint } from "@quorate/client/generated";

interface Draft {
  readonly name: string;
  readonly admin?: boolean;
}

interface User {
  readonly name: string;
  readonly admin: boolean;
}

/** A schema as a validator of the interface has it: with a default, and with issues that name their place. */
const UserSchema: StandardSchema<Draft, User> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate(value) {
      const { name, admin = false } = value as Partial<Draft>;
      if (typeof name === "string" && name !== "") return { value: { name, admin } };
      return {
        issues: [
          { message: "must not be empty", path: ["name"] },
          { message: "must be short", path: [{ key: "name" }, 0] },
          ...Array.from({ length: 5 }, (_, at) => ({ message: `issue ${at}` })),
        ],
      };
    },
  },
};

function refusalOf(work: () => unknown): QuorateError {
  try {
    work();
  } catch (thrown) {
    return QuorateError.from(thrown);
  }
  throw new Error("it was not refused");
}

describe("standard()", () => {
  const users = standard(UserSchema);

  test("what is read is what the schema makes of what was written", () => {
    const stored = users.encode({ name: "Ada" });
    expect(Buffer.from(stored).toString()).toBe('{"name":"Ada"}');
    expect(users.decode(stored)).toEqual({ name: "Ada", admin: false });
  });

  test("a value that does not fit is refused in both directions, and the issues are named", () => {
    const message = "name: must not be empty; name.0: must be short; issue 0; issue 1; issue 2; and 2 more";
    expect(refusalOf(() => users.encode({ name: "" }))).toMatchObject({
      reason: "INVALID_ARGUMENT",
      message,
    });
    expect(refusalOf(() => users.decode(Buffer.from("{}")))).toMatchObject({ message });
  });

  test("a schema that answers with a promise is refused, also where the promise fails", () => {
    const later = standard({
      "~standard": { version: 1, vendor: "later", validate: async () => Promise.reject(new Error("no")) },
    });
    expect(refusalOf(() => later.encode({})).message).toContain("(of later) validates asynchronously");
  });

  test("values are stored by another codec where one is given", () => {
    const short: StandardSchema<string> = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value) =>
          typeof value === "string" && value.length < 4 ? { value } : { issues: [{ message: "too long" }] },
      },
    };
    expect(standard(short, text).encode("abc")).toEqual(Buffer.from("abc"));
    expect(refusalOf(() => standard(short, text).decode(Buffer.from("abcd"))).message).toBe("too long");
  });
});

describe("protobuf()", () => {
  test("messages of ts-proto", () => {
    const codec = protobuf(LeaderHint);
    const hint = { memberId: "n1", address: "127.0.0.1:1" };
    expect(codec.decode(codec.encode(hint))).toEqual(hint);
    expect(refusalOf(() => codec.decode(Uint8Array.of(0x0a, 0xff))).reason).toBe("INVALID_ARGUMENT");
  });

  test("messages of @bufbuild/protobuf, by its own functions", () => {
    const codec = protobuf(DurationSchema, { toBinary, fromBinary });
    const stored = codec.encode({ $typeName: "google.protobuf.Duration", seconds: 7n, nanos: 5 });
    const read: Duration = codec.decode(stored);
    expect([read.seconds, read.nanos]).toEqual([7n, 5]);
    expect(refusalOf(() => codec.decode(Uint8Array.of(0x0a, 0xff))).message).toContain(
      "no such Protobuf message",
    );
  });

  test("a schema without its functions is refused when the codec is made", () => {
    expect(refusalOf(() => protobuf(DurationSchema as never)).message).toContain("toBinary and fromBinary");
  });
});

describe("refusals", () => {
  test("of JSON and integers say what is wrong", () => {
    expect(refusalOf(() => json<number>().encode(Number.NaN)).message).toContain("NaN");
    expect(refusalOf(() => integer.decode(Buffer.from("007"))).message).toBe('"007" is not an integer');
  });
});
