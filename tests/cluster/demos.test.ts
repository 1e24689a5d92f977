import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { Child, Workplace } from "../support";
import { quorate } from "../unit/cli/captured-terminal";
import { patientTests } from "./patient";

patientTests();

const COMMAND = resolve(__dirname, "../../clients/cli/bin/quorate.js");

const CLAIMS: readonly (readonly [string, RegExp])[] = [
  ["basic", /ok: the past is as it was/],
  ["replication", /ok: the roots are equal/],
  ["types", /ok: object comes back alike/],
  ["restrictions", /ok: a counter does not wrap around/],
  ["concurrent", /ok: 500 were counted/],
  ["failover", /ok: each acknowledged write is there/],
  ["exactly-once", /ok: 200 calls counted 200/],
  ["watch", /ok: ten puts, ten events, in order/],
  ["lock", /ok: the page is the second's/],
];

describe("L3: quorate demo", () => {
  test("L3: all shows every demo on a cluster of its own, exits with 0 and leaves nothing behind", async () => {
    const workplace = new Workplace();
    try {
      const child = new Child(workplace, "demo", [COMMAND, "demo", "all"]);
      const { code } = await child.ended;
      const out = child.log();
      expect({ code, out }).toEqual({
        code: 0,
        out: expect.stringContaining("all demos have shown what was claimed"),
      });
      for (const [name, claim] of CLAIMS) {
        expect(out).toContain(`== ${name}: `);
        expect(out).toMatch(claim);
      }
      expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`quorate-demo-${child.pid}-`))).toEqual(
        [],
      );
    } finally {
      await workplace.remove();
    }
  });

  test("L3: the help names each demo, and another name is refused", async () => {
    const { out } = await quorate(["demo", "--help"]);
    for (const [name] of CLAIMS) expect(out).toContain(name);
    const refused = await quorate(["demo", "magic"]);
    expect(refused.exitCode).toBe(2);
    expect(refused.err).toContain("magic");
  });
});
