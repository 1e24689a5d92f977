import type { Demo, Stage } from "./stage";

export const replication: Demo = {
  description: "a write at one node is there on each",
  async run(stage) {
    const members = stage.cluster.members.map(({ id }) => id);
    const leader = await stage.leaderId();
    await stage.say(
      `${members.length} nodes, ${leader} leads. Each node takes writes; the leader orders them.`,
    );
    for (const id of members) {
      const { revision } = await stage.clientOf(id).kv.put(`from/${id}`, `written at ${id}`);
      await stage.show(`at ${id}: kv.put("from/${id}", …)`, { revision });
    }
    await stage.say("A read at any node sees every write that was acknowledged before.");
    for (const id of members) {
      const count = await stage.clientOf(id).kv.count({ prefix: "from/" });
      await stage.holds(`${id} has all ${members.length}`, count === members.length);
    }
    await stage.say("And all nodes hold the same, byte for byte: their Merkle roots at one revision.");
    const { revision } = await stage.quorate.kv.put("last", "one");
    const roots = new Set<string>();
    for (const id of members) {
      const { root, count } = await stage.clientOf(id).cluster.hash({ revision, member: id });
      await stage.show(`at ${id}: cluster.hash()`, `${root.slice(0, 16)}… over ${count} keys`);
      roots.add(root);
    }
    await stage.holds("the roots are equal", roots.size === 1);
  },
};

export const concurrent: Demo = {
  description: "ten clients count together, and no count is lost",
  async run(stage) {
    await stage.say("Ten clients add 1 to the same counter 50 times each, all at once.");
    const clients = Array.from({ length: 10 }, () => stage.anotherClient());
    await Promise.all(
      clients.map(async ({ kv }) => {
        for (let time = 0; time < 50; time += 1) await kv.increment("visits");
      }),
    );
    const visits = await stage.quorate.kv.getText("visits");
    await stage.show('kv.getText("visits")', visits);
    await stage.holds("500 were counted", visits === "500");

    await stage.say(
      "Four clients move money between two accounts in transactions; some clash and are tried again.",
    );
    const accounts = ["account/a", "account/b"] as const;
    for (const account of accounts) await stage.quorate.kv.put(account, "100");
    await Promise.all(
      clients.slice(0, 4).map(async ({ kv }, who) => {
        for (let time = 0; time < 5; time += 1) {
          await kv.transact(async (tx) => {
            const [from, to] = who % 2 === 0 ? accounts : [accounts[1], accounts[0]];
            const balance = Number(await tx.getText(from));
            await tx.put(from, String(balance - 1));
            await tx.put(to, String(Number(await tx.getText(to)) + 1));
          });
        }
      }),
    );
    const records = await stage.quorate.kv.batchGet([...accounts]);
    const balances = records.map((record) => Number(record?.text()));
    await stage.show("the balances", balances);
    await stage.holds("the sum is what it was", balances.reduce((sum, balance) => sum + balance, 0) === 200);
  },
};

export const failover: Demo = {
  description: "the leader is killed: another takes over, nothing is lost",
  async run(stage) {
    const { cluster } = stage;
    const { kv } = stage.quorate;
    const leader = await stage.leaderId();
    await stage.say(`${leader} leads. It is killed (SIGKILL) while writes go on.`);
    const written: string[] = [];
    let longestMs = 0;
    const write = async (): Promise<void> => {
      const startedAt = performance.now();
      const key = `during/${String(written.length).padStart(4, "0")}`;
      await kv.put(key, "written", { deadlineMs: 20_000 });
      longestMs = Math.max(longestMs, performance.now() - startedAt);
      written.push(key);
    };
    while (written.length < 50) await write();
    await cluster.killProcess(leader);
    while (written.length < 150) await write();
    await stage.show("150 writes, the longest took", `${Math.round(longestMs)} ms`);
    const next = await stage.leaderId();
    await stage.holds(`another leads now: ${next}`, next !== leader);
    await stage.holds(
      "each acknowledged write is there",
      (await kv.count({ prefix: "during/" })) === written.length,
    );
    await stage.say(`${leader} comes back, follows, and catches up by itself.`);
    await cluster.startProcess(leader);
    await stage.holds(`${leader} has all of them`, (await countAt(stage, leader)) === written.length);
  },
};

async function countAt(stage: Stage, memberId: string): Promise<number> {
  return stage.clientOf(memberId).kv.count({ prefix: "during/" }, { deadlineMs: 20_000 });
}
