import { describe, expect, it } from "@jest/globals";
import { afterInput, takeIn, writeAfterInput, writeLater } from "../../../../proto/http2/input";

const writer = (told: string[], name: string) => ({ flush: () => told.push(name) });

/** When all that was put off until what goes on is over has come to pass. */
const over = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("behind an input", () => {
  it("comes what was put off, in its order, and then the writes", () => {
    const told: string[] = [];
    takeIn((input) => {
      expect(writeAfterInput(writer(told, "written"))).toBe(true);
      afterInput(() => told.push("first"));
      afterInput(() => told.push("second"));
      told.push(input);
    }, "told");
    expect(told).toEqual(["told", "first", "second", "written"]);
  });

  it("what is put off meanwhile comes behind the writes", () => {
    const told: string[] = [];
    takeIn(() => {
      afterInput(() => {
        writeAfterInput(writer(told, "written"));
        afterInput(() => {
          told.push("put off meanwhile");
          writeAfterInput(writer(told, "written anew"));
        });
        told.push("put off");
      });
    }, undefined);
    expect(told).toEqual(["put off", "written", "put off meanwhile", "written anew"]);
  });

  it("nothing comes before the outer one is told, where one is told within another", () => {
    const told: string[] = [];
    takeIn(() => {
      takeIn(() => afterInput(() => told.push("put off")), undefined);
      told.push("told");
    }, undefined);
    expect(told).toEqual(["told", "put off"]);
  });

  it("nothing comes that was put off by one that threw, and the next is taken in", async () => {
    const told: string[] = [];
    const fails = (): void => {
      afterInput(() => told.push("of the first"));
      writeAfterInput(writer(told, "written for the first"));
      throw new Error("a fault");
    };
    expect(() => takeIn(fails, undefined)).toThrow("a fault");
    takeIn(() => afterInput(() => told.push("of the second")), undefined);
    await over();
    expect(told).toEqual(["of the second"]);
  });
});

describe("outside of any input", () => {
  it("what is put off comes when what goes on is over, as an input of its own", async () => {
    const told: string[] = [];
    afterInput(() => {
      writeAfterInput(writer(told, "written"));
      told.push("put off");
    });
    told.push("gone on");
    await over();
    expect(told).toEqual(["gone on", "put off", "written"]);
  });

  it("nobody is written for at once", async () => {
    const told: string[] = [];
    expect(writeAfterInput(writer(told, "written"))).toBe(false);
    await over();
    expect(told).toEqual([]);
  });

  it("who writes later does so behind all promises that settle by then", async () => {
    const told: string[] = [];
    writeLater(writer(told, "one"));
    writeLater(writer(told, "another"));
    void (async () => {
      for (let at = 0; at < 10; at += 1) await null;
      told.push("settled");
    })();
    await over();
    expect(told).toEqual(["settled", "one", "another"]);
  });
});
