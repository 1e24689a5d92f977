import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { processTerminal } from "@quorate/cli";
import { eventually } from "../../support/eventually";

const UP = "\u001b[A";
const TAB = "\t";
const CTRL_C = "\u0003";
const CTRL_D = "\u0004";

/** A terminal with a person in front of it, in place of the process's own input and output. */
class FakeTty {
  isRaw = false;
  readonly input = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (isRaw: boolean) => {
      this.isRaw = isRaw;
      return this.input;
    },
  });
  readonly output = Object.assign(new PassThrough(), { isTTY: true, columns: 100, rows: 30 });
  #shown = "";
  readonly #own = {
    stdin: Object.getOwnPropertyDescriptor(process, "stdin"),
    stdout: Object.getOwnPropertyDescriptor(process, "stdout"),
  };

  constructor() {
    this.output.on("data", (data: Buffer) => {
      this.#shown += data.toString();
    });
    Object.defineProperty(process, "stdin", { configurable: true, value: this.input });
    Object.defineProperty(process, "stdout", { configurable: true, value: this.output });
  }

  /** All that was written to the screen, with its escapes. */
  get shown(): string {
    return this.#shown;
  }

  type(keys: string): void {
    this.input.write(keys);
  }

  restore(): void {
    Object.defineProperty(process, "stdin", this.#own.stdin as PropertyDescriptor);
    Object.defineProperty(process, "stdout", this.#own.stdout as PropertyDescriptor);
  }
}

let tty: FakeTty;

beforeEach(() => {
  tty = new FakeTty();
});

afterEach(() => tty.restore());

function open(
  history: readonly string[] = [],
  candidates: readonly string[] = [],
): ReturnType<typeof processTerminal.lines> {
  return processTerminal.lines({
    history,
    complete: async (line) => {
      const typed = line.split(" ").at(-1) ?? "";
      return { candidates: candidates.filter((candidate) => candidate.startsWith(typed)), typed };
    },
  });
}

describe("L2: a person at a terminal", () => {
  test("L2: Ctrl-C while a line is carried out is a signal for what runs, and does not end the REPL", async () => {
    const before = process.listenerCount("SIGINT");
    const lines = open();
    const first = lines.next("> ");
    expect(tty.isRaw).toBe(true);
    tty.type("watch a\r");
    expect(await first).toBe("watch a");
    expect(tty.isRaw).toBe(false);
    // Somebody takes the signal, or it would end the process.
    expect(process.listenerCount("SIGINT")).toBe(before + 1);
    const second = lines.next("> ");
    expect(tty.isRaw).toBe(true);
    tty.type("get a\r");
    expect(await second).toBe("get a");
    lines.close();
    expect(process.listenerCount("SIGINT")).toBe(before);
  });

  test("L2: sees the prompt, and each line that is typed is one line", async () => {
    const lines = open();
    const first = lines.next("quorate> ");
    await eventually("the prompt is shown", () => tty.shown.includes("quorate> "));
    tty.type("set a 1\rget a\r");
    expect(await first).toBe("set a 1");
    expect(await lines.next("quorate> ")).toBe("get a");
    lines.close();
  });

  test("L2: goes back to earlier lines with the arrow key, to those of this run and of the one before", async () => {
    const lines = open(["oldest", "newest"]);
    const first = lines.next("> ");
    tty.type(`${UP}\r`);
    expect(await first).toBe("newest");
    const second = lines.next("> ");
    tty.type("typed now\r");
    expect(await second).toBe("typed now");
    const third = lines.next("> ");
    tty.type(`${UP}\r`);
    expect(await third).toBe("typed now");
    const fourth = lines.next("> ");
    tty.type(`${UP}${UP}${UP}\r`);
    expect(await fourth).toBe("oldest");
    lines.close();
  });

  test("L2: completes with the tab key what can be only one thing, and is shown a choice", async () => {
    const lines = open([], ["user/ada", "user/bob", "visits"]);
    const first = lines.next("> ");
    tty.type(`get v${TAB}`);
    await eventually("it is completed", () => tty.shown.includes("isits"));
    tty.type("\r");
    expect(await first).toBe("get visits");
    const second = lines.next("> ");
    tty.type(`get u${TAB}`);
    await eventually("what is common is completed", () => tty.shown.includes("ser/"));
    tty.type(TAB);
    await eventually("the choice is shown", () => /user\/ada\s+user\/bob/.test(tty.shown));
    tty.type(`b${TAB}`);
    await eventually("the rest is completed", () => tty.shown.includes("ob"));
    tty.type("\r");
    expect(await second).toBe("get user/bob");
    lines.close();
  });

  test("L2: gives up a line with Ctrl-C, and leaves with Ctrl-C on an empty one, or Ctrl-D", async () => {
    const lines = open();
    const first = lines.next("> ");
    tty.type(`a mistake${CTRL_C}better\r`);
    expect(await first).toBe("better");
    const second = lines.next("> ");
    tty.type(CTRL_C);
    expect(await second).toBeNull();
    expect(await lines.next("> ")).toBeNull();

    const others = open();
    const third = others.next("> ");
    tty.type(CTRL_D);
    expect(await third).toBeNull();
  });
});
