import { spawn } from "node:child_process";
import { compare, type KvEvent, op } from "@quorate/client";
import type { Demo } from "./stage";

export const exactlyOnce: Demo = {
  description: "a write whose answer is lost is tried again, and applied once",
  async run(stage) {
    const { cluster } = stage;
    const { kv } = stage.quorate;
    await stage.say(
      "200 increments, 20 at a time, while the leader is halted and killed: many answers never arrive, and the client asks again.",
    );
    const calls = (count: number): Promise<unknown> =>
      Promise.all(Array.from({ length: count }, () => kv.increment("once", 1, { deadlineMs: 30_000 })));
    await calls(40);
    const leader = await stage.leaderId();
    const during = calls(20);
    cluster.pauseProcess(leader);
    const later = calls(20);
    await cluster.killProcess(leader);
    await stage.show(`${leader} was halted with calls under way, then killed`, undefined);
    await Promise.all([during, later]);
    for (let round = 0; round < 6; round += 1) await calls(20);
    const count = await kv.getText("once");
    await stage.show('kv.getText("once")', count);
    await stage.holds("200 calls counted 200, neither less nor more", count === "200");
    await cluster.startProcess(leader);
  },
};

export const watch: Demo = {
  description: "change events in order, each once, across a fail-over",
  async run(stage) {
    const { cluster } = stage;
    const { kv } = stage.quorate;
    await kv.put("stock/apples", "3");
    await kv.put("stock/pears", "5");
    await stage.say("A watch tells the present state first, then every change behind it.");
    const seen: KvEvent[] = [];
    const watching = kv.watch({ prefix: "stock/" }, { currentState: true });
    const until = async (isEnough: () => boolean): Promise<void> => {
      for (;;) {
        if (isEnough()) return;
        const next = await watching.next();
        if (next.done === true) return;
        seen.push(next.value);
        if (next.value.kind !== "synced") await stage.show(next.value.kind, describe(next.value));
      }
    };
    await until(() => seen.some(({ kind }) => kind === "synced"));
    await stage.holds(
      "both present records came",
      seen.filter(({ kind }) => kind === "current").length === 2,
    );
    await kv.put("stock/apples", "2");
    await kv.delete("stock/pears");
    await until(() => seen.length >= 5);

    const leader = await stage.leaderId();
    await stage.say(
      `The leader, ${leader}, is killed. The watch goes on by itself: no event is missed, none comes twice.`,
    );
    await cluster.killProcess(leader);
    for (let count = 0; count < 10; count += 1) {
      await kv.put("stock/plums", String(count), { deadlineMs: 20_000 });
    }
    await until(() => seen.length >= 15);
    watching.close();
    const plums = seen.filter((event) => event.kind === "put" && event.key === "stock/plums");
    const values = plums.map((event) => (event.kind === "put" ? event.record.text() : ""));
    await stage.holds("ten puts, ten events, in order", values.join() === "0,1,2,3,4,5,6,7,8,9");
    await cluster.startProcess(leader);
  },
};

export const lock: Demo = {
  description: "one holder at a time; a holder that dies loses the lock, and cannot write any more",
  async run(stage) {
    const { kv } = stage.quorate;
    const second = stage.anotherClient();
    await stage.say(
      "Two programs want the same lock. The first is a process of its own; a lease of five seconds stands behind it.",
    );
    const first = await holderProcess(stage.cluster.endpoints, "printer");
    await stage.show('first: lock("printer")', { token: first.token });
    await stage.holds("the second does not get it", (await second.tryLock("printer")) === undefined);
    await stage.say("The first dies without a word (SIGKILL): its lease ends, and the second gets the lock.");
    first.kill();
    const next = await second.lock("printer", { deadlineMs: 60_000 });
    await stage.show('second: lock("printer")', { token: next.token });
    await stage.holds("its token is higher", next.token > first.token);
    await next.put("page", "printed by the second");
    await stage.say(
      "If the first had only been asleep and wrote now, the store would refuse it: it compares the lock's key.",
    );
    const late = await kv
      .txn()
      .if(compare.createRevision(first.key).equals(first.token))
      .do(op.put("page", "printed by the first, late"))
      .commit();
    await stage.show("first: what lock.put() sends", { succeeded: late.succeeded });
    const page = await kv.getText("page");
    await stage.holds("the page is the second's", !late.succeeded && page === "printed by the second");
    await next.release();
  },
};

interface Holder {
  readonly key: string;
  readonly token: number;
  kill(): void;
}

/** `quorate lock` as a process, once it holds the lock. */
function holderProcess(endpoints: string, name: string): Promise<Holder> {
  const argv = ["--endpoints", endpoints, "--json", "lock", name, "--ttl", "5s"];
  const child = spawn(process.execPath, [process.argv[1] ?? "", ...argv], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return new Promise((resolve, reject) => {
    let written = "";
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the holder of the lock ended with ${code}`)));
    child.stdout.on("data", (data: Buffer) => {
      written += data.toString();
      if (!written.includes("\n")) return;
      const { key, token } = JSON.parse(written) as { key: string; token: number };
      resolve({ key, token, kill: () => child.kill("SIGKILL") });
    });
  });
}

function describe(event: KvEvent): string {
  switch (event.kind) {
    case "current":
      return `${event.record.key} = ${event.record.text()}`;
    case "put":
      return `${event.key} = ${event.record.text()} at ${event.revision}`;
    case "delete":
      return `${event.key} at ${event.revision}`;
    case "truncated":
    case "synced":
      return `at ${event.revision}`;
  }
}
