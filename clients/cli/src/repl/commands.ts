import { type Kv, op, type Quorate } from "@quorate/client";
import { reportMembers, statusText } from "#cli/status-report";
import { duration, size } from "#cli/units";
import { fields, integer, list, NIL, OK, quoted } from "./reply";

/** What a command of the REPL works with. */
export interface ReplContext {
  readonly client: Quorate;
  /** Of the namespace in use. */
  readonly kv: Kv;
  readonly namespace: string;
  /** Makes another namespace the one in use. */
  use(namespace: string): void;
  /** The commands of the command line. */
  readonly programNames: readonly string[];
  /** Runs one of them; it writes for itself. */
  runProgram(argv: readonly string[]): Promise<void>;
}

/** A command that the REPL knows. */
export interface ReplCommand {
  /** Its arguments, for people. */
  readonly usage: string;
  readonly description: string;
  readonly aliases?: readonly string[];
  readonly minimum: number;
  /** Infinity for any number. */
  readonly maximum: number;
  /** Which of its arguments are keys, for completion. */
  readonly keys?: "first" | "all" | "odd";
  /** @returns what to show; null ends the REPL */
  run(context: ReplContext, words: readonly Uint8Array[]): Promise<string | null>;
}

/** A word that a command cannot take; shown, and nothing else happens. */
export class ReplFault extends Error {
  override readonly name = "ReplFault";
}

/** A KEYS without a bound could fill the screen and the memory; SCAN pages. */
const KEYS_MAX = 1000;
const SCAN_COUNT = 100;

const ANY = Number.POSITIVE_INFINITY;

/** All commands by their names, in the order of HELP. */
export const replCommands: Readonly<Record<string, ReplCommand>> = {
  set: {
    usage: "key value",
    description: "write a value",
    minimum: 2,
    maximum: 2,
    keys: "first",
    async run({ kv }, [key, value]) {
      await kv.put(at(key), at(value));
      return OK;
    },
  },
  get: {
    usage: "key",
    description: "read a value",
    minimum: 1,
    maximum: 1,
    keys: "first",
    async run({ kv }, [key]) {
      const record = await kv.get(at(key));
      return record === undefined ? NIL : quoted(record.bytes);
    },
  },
  delete: {
    usage: "key [key …]",
    description: "delete keys together; the answer is how many there were",
    aliases: ["del"],
    minimum: 1,
    maximum: 128,
    keys: "all",
    async run({ kv }, keys) {
      const { results } = await kv
        .txn()
        .do(...keys.map((key) => op.delete(key)))
        .commit();
      return integer(results.filter(({ deleted }) => deleted).length);
    },
  },
  incr: counter("incr", "add to a number, 1 by default", 1n),
  decr: counter("decr", "take from a number, 1 by default", -1n),
  append: {
    usage: "key value",
    description: "add to the end of a value; the answer is its length",
    minimum: 2,
    maximum: 2,
    keys: "first",
    async run({ kv }, [key, value]) {
      return integer((await kv.append(at(key), at(value)))?.bytes.length ?? 0);
    },
  },
  prepend: {
    usage: "key value",
    description: "add to the start of a value; the answer is its length",
    minimum: 2,
    maximum: 2,
    keys: "first",
    async run({ kv }, [key, value]) {
      return integer((await kv.prepend(at(key), at(value)))?.bytes.length ?? 0);
    },
  },
  mget: {
    usage: "key [key …]",
    description: "read many values at one revision",
    minimum: 1,
    maximum: 10_000,
    keys: "all",
    async run({ kv }, keys) {
      const records = await kv.batchGet([...keys]);
      return list(records.map((record) => (record === undefined ? NIL : quoted(record.bytes))));
    },
  },
  mset: {
    usage: "key value [key value …]",
    description: "write many values, all or none, at most 128",
    minimum: 2,
    maximum: 256,
    keys: "odd",
    async run({ kv }, words) {
      if (words.length % 2 === 1) throw new ReplFault("the last key has no value");
      const puts = [];
      for (let from = 0; from < words.length; from += 2)
        puts.push(op.put(at(words[from]), at(words[from + 1])));
      await kv
        .txn()
        .do(...puts)
        .commit();
      return OK;
    },
  },
  exists: {
    usage: "key [key …]",
    description: "how many of the keys there are",
    minimum: 1,
    maximum: 10_000,
    keys: "all",
    async run({ kv }, keys) {
      return integer(await kv.exists([...keys]));
    },
  },
  scan: {
    usage: `[prefix] [count]`,
    description: `keys and values in order, ${SCAN_COUNT} by default`,
    minimum: 0,
    maximum: 2,
    keys: "first",
    async run({ kv }, [prefix, count]) {
      const limit = count === undefined ? SCAN_COUNT : positive(count, "count");
      const lines: string[] = [];
      for await (const record of kv.scan({ prefix: prefix ?? "" }, { limit })) {
        lines.push(`${quoted(record.keyBytes)} ${quoted(record.bytes)}`);
      }
      return list(lines);
    },
  },
  keys: {
    usage: "[prefix or pattern]",
    description: `keys that begin with this, or match a pattern with * and ?, at most ${KEYS_MAX}`,
    minimum: 0,
    maximum: 1,
    keys: "first",
    async run({ kv }, [wanted]) {
      const pattern = textOf(wanted ?? new Uint8Array());
      const literal = /^[^*?]*/.exec(pattern)?.[0] ?? "";
      const matches = literal === pattern ? () => true : matcher(pattern);
      const lines: string[] = [];
      for await (const { keyBytes } of kv.scan({ prefix: literal }, { keysOnly: true })) {
        if (!matches(textOf(keyBytes))) continue;
        if (lines.length === KEYS_MAX) return `${list(lines)}\n… and more: scan them with a longer prefix`;
        lines.push(quoted(keyBytes));
      }
      return list(lines);
    },
  },
  dbsize: {
    usage: "",
    description: "how many keys the namespace holds",
    aliases: ["size"],
    minimum: 0,
    maximum: 0,
    run: async ({ kv }) => integer(await kv.count()),
  },
  hash: {
    usage: "[prefix]",
    description: "the Merkle root over keys and values",
    minimum: 0,
    maximum: 1,
    keys: "first",
    async run({ client, namespace }, [prefix]) {
      const { root, count, revision } = await client.cluster.hash({
        namespace,
        ...(prefix === undefined ? {} : { prefix }),
      });
      return `${root}\n${count} keys at revision ${revision}`;
    },
  },
  truncate: {
    usage: "",
    description: "delete all keys of the namespace",
    aliases: ["flushdb"],
    minimum: 0,
    maximum: 0,
    run: async ({ kv }) => integer((await kv.truncate()).deleted),
  },
  ping: {
    usage: "[text]",
    description: "ask whether the cluster answers, and how soon",
    minimum: 0,
    maximum: 1,
    async run({ client }, [text]) {
      const startedAt = performance.now();
      const { memberId } = await client.cluster.status();
      const tookMs = performance.now() - startedAt;
      return text === undefined ? `PONG from ${memberId} in ${tookMs.toFixed(1)} ms` : quoted(text);
    },
  },
  echo: {
    usage: "text …",
    description: "say it again",
    minimum: 1,
    maximum: ANY,
    run: (_, words) => Promise.resolve(words.map(quoted).join(" ")),
  },
  stats: {
    usage: "",
    description: "how often the node's methods were called",
    minimum: 0,
    maximum: 0,
    async run({ client }) {
      const { memberId, methods, forwarded, keys, bytes } = await client.cluster.stats();
      return fields([
        ["node", memberId],
        ...methods.map(({ method, ok, failed }): [string, string] => [
          method,
          failed === 0 ? `${ok}` : `${ok}, and ${failed} failed`,
        ]),
        ["forwarded", forwarded],
        ["keys", keys],
        ["bytes", size(bytes)],
      ]);
    },
  },
  info: {
    usage: "",
    description: "the node that answers, and the state it is in",
    minimum: 0,
    maximum: 0,
    async run({ client, namespace }) {
      const status = await client.cluster.status();
      return fields([
        ["cluster", status.clusterId],
        ["node", status.memberId],
        ["role", status.role],
        ["health", status.health],
        ["leader", status.leaderId === "" ? "none" : status.leaderId],
        ["term", status.term],
        ["applied", status.appliedIndex],
        ["revision", status.revision],
        ["namespace", namespace],
        ["memory", size(status.memoryBytes)],
        ["disk", size(status.diskBytes)],
        ["uptime", duration(status.uptimeMs)],
        ["version", status.softwareVersion],
      ]);
    },
  },
  "client list": {
    usage: "",
    description: "the connections of clients to the node that answers",
    minimum: 0,
    maximum: 0,
    async run({ client }) {
      const clients = await client.cluster.clients();
      return list(
        clients.map(
          ({ address, connectedMs, bytesReceived, bytesSent }) =>
            `${address}  for ${duration(connectedMs)}, ${size(bytesReceived)} in, ${size(bytesSent)} out`,
        ),
      );
    },
  },
  status: {
    usage: "",
    description: "each node's role and progress",
    minimum: 0,
    maximum: 0,
    run: async ({ client }) => statusText(await reportMembers(client)),
  },
  use: {
    usage: "namespace",
    description: "work in another namespace",
    minimum: 1,
    maximum: 1,
    async run({ client, use }, [name]) {
      const wanted = textOf(at(name));
      const known = await client.namespaces.list();
      if (!known.some((namespace) => namespace.name === wanted)) {
        throw new ReplFault(`there is no namespace "${wanted}"`);
      }
      use(wanted);
      return OK;
    },
  },
  help: {
    usage: "[command]",
    description: "what there is",
    aliases: ["?"],
    minimum: 0,
    maximum: 2,
    run: (_, words) => Promise.resolve(helpOf(words.map(textOf).join(" ").toLowerCase())),
  },
  quit: {
    usage: "",
    description: "leave",
    aliases: ["exit"],
    minimum: 0,
    maximum: 0,
    run: () => Promise.resolve(null),
  },
};

/** Every name and alias with its command. */
const byName: ReadonlyMap<string, readonly [string, ReplCommand]> = new Map(
  Object.entries(replCommands).flatMap(([name, command]) =>
    [name, ...(command.aliases ?? [])].map((known) => [known, [name, command]] as const),
  ),
);

/** All that can be typed first, sorted. */
export const commandNames: readonly string[] = [...byName.keys()].sort();

/** The command that a line begins with, in whatever case, and the words behind it; null when there is no such one. */
export function commandOf(
  words: readonly Uint8Array[],
): { readonly name: string; readonly command: ReplCommand; readonly rest: readonly Uint8Array[] } | null {
  for (const length of [2, 1]) {
    const typed = words.slice(0, length).map(textOf).join(" ").toLowerCase();
    const found = words.length < length ? undefined : byName.get(typed);
    if (found !== undefined) return { name: found[0], command: found[1], rest: words.slice(length) };
  }
  return null;
}

/** How a command is written. */
export function usageOf(name: string, { usage }: ReplCommand): string {
  return usage === "" ? name : `${name} ${usage}`;
}

function helpOf(wanted: string): string {
  if (wanted === "") {
    return [
      fields(
        Object.entries(replCommands).map(([name, command]) => [usageOf(name, command), command.description]),
      ),
      "And every command of the command line, as there: put a 1 --lease 7, get a --revision 3, txn, watch a --count 1,",
      "lease grant 30s, lock, elect, compact, namespace create, count, … (txn --help tells how one is written)",
      'Words with spaces go between quotes; "…" knows \\n, \\t, \\\\, \\" and \\xFF.',
    ].join("\n");
  }
  const found = byName.get(wanted);
  if (found === undefined) throw new ReplFault(`there is no command "${wanted}"`);
  const [name, command] = found;
  const aliases = command.aliases === undefined ? "" : ` (also: ${command.aliases.join(", ")})`;
  return `${usageOf(name, command)}${aliases}\n${command.description}`;
}

function counter(name: string, description: string, sign: 1n | -1n): ReplCommand {
  return {
    usage: "key [by]",
    description,
    aliases: [name.slice(0, 3)],
    minimum: 1,
    maximum: 2,
    keys: "first",
    async run({ kv }, [key, by]) {
      return integer(await kv.increment(at(key), sign * (by === undefined ? 1n : whole(by, "by"))));
    },
  };
}

/** A word whose number was checked before the command ran. */
function at(word: Uint8Array | undefined): Uint8Array {
  if (word === undefined) throw new ReplFault("a word is missing");
  return word;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

function whole(word: Uint8Array, name: string): bigint {
  const text = textOf(word);
  if (!/^-?\d{1,19}$/.test(text)) throw new ReplFault(`${name} must be a whole number, not "${text}"`);
  return BigInt(text);
}

function positive(word: Uint8Array, name: string): number {
  const value = Number(whole(word, name));
  if (value < 1 || !Number.isSafeInteger(value)) throw new ReplFault(`${name} must be at least 1`);
  return value;
}

/** A pattern with * for any text and ? for one character. */
function matcher(pattern: string): (text: string) => boolean {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  const expression = new RegExp(`^${source}$`, "su");
  return (text) => expression.test(text);
}
