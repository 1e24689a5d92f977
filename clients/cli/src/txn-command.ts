import {
  type Comparison,
  type ComparisonTarget,
  compare,
  KvRecord,
  type Operation,
  op,
} from "@quorate/client";
import type { Command } from "commander";
import { EXIT, UsageFault } from "./exit-codes";
import { recordFields, visible } from "./record-output";
import { wordsOf } from "./repl/words";
import { type Session, withClient } from "./session";
import { type GlobalOptions, int64, positiveNumber, wholeNumber } from "./settings";
import { writeJson } from "./write-json";

interface TxnFlags extends GlobalOptions {
  readonly if: readonly string[];
  readonly do: readonly string[];
  readonly else: readonly string[];
}

/** txn */
export function addTxnCommand(program: Command, session: Session): void {
  program
    .command("txn")
    .description(
      "compare keys, then carry out one of two lists of operations, all or none of it, at one revision",
    )
    .option("--if <comparison>", "must hold; may be given many times", gather, [])
    .option("--do <operation>", "carried out, in order, when all comparisons hold", gather, [])
    .option("--else <operation>", "carried out when one does not", gather, [])
    .addHelpText(
      "after",
      `
Comparisons
  value KEY = TEXT      version KEY = N      created KEY = N      modified KEY = N      lease KEY = ID
  The operator is =, !=, < or >. KEY/* stands for each key that begins with KEY/.
Operations
  put KEY VALUE   del KEY   incr KEY [BY]   append KEY VALUE   prepend KEY VALUE
  get KEY   scan PREFIX [LIMIT]   count PREFIX   del-prefix PREFIX
  Words with spaces go between quotes, as in the REPL.

Examples
  quorate txn --if "version config = 0" --do "put config v1" --else "get config"
  quorate txn --do "incr a -10" --do "incr b 10"

Exit code 3 when a comparison did not hold.`,
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<TxnFlags>();
      await withClient(session, options, async ({ kv }) => {
        if (options.if.length + options.do.length + options.else.length === 0)
          throw new UsageFault("give at least one of --if, --do and --else; see quorate help txn");
        const outcome = await kv
          .txn()
          .if(...options.if.map(comparisonOf))
          .do(...options.do.map(operationOf))
          .else(...options.else.map(operationOf))
          .commit();
        const { succeeded, revision, results } = outcome;
        if (options.json) {
          await writeJson(session, { succeeded, revision, results: results.map(jsonOf) });
        } else {
          await session.terminal.out(`${succeeded ? "succeeded" : "a comparison does not hold"}\n`);
          for (const result of results) await session.terminal.out(`${textOf(result)}\n`);
        }
        return succeeded ? EXIT.ok : EXIT.notFound;
      });
    });
}

function gather(text: string, earlier: readonly string[]): readonly string[] {
  return [...earlier, text];
}

const OPERATORS = { "=": "equals", "!=": "notEquals", "<": "less", ">": "greater" } as const;

function comparisonOf(text: string): Comparison {
  const [property, key, operator, target, ...rest] = wordsIn(text);
  if (!property || !key || !operator || !target || rest.length > 0) {
    throw new UsageFault(`--if "${text}" is not PROPERTY KEY OPERATOR TARGET`);
  }
  const wanted = Buffer.from(operator).toString();
  if (!Object.hasOwn(OPERATORS, wanted))
    throw new UsageFault(`--if "${text}": the operator is =, !=, < or >`);
  const by = OPERATORS[wanted as keyof typeof OPERATORS];
  const on = targetOf(key);
  const name = Buffer.from(property).toString();
  switch (name) {
    case "value":
      return compare.value(on)[by](target);
    case "version":
      return compare.version(on)[by](numberIn(target, text, wholeNumber));
    case "created":
      return compare.createRevision(on)[by](numberIn(target, text, wholeNumber));
    case "modified":
      return compare.modRevision(on)[by](numberIn(target, text, wholeNumber));
    case "lease":
      return compare.lease(on)[by](numberIn(target, text, int64));
    default:
      throw new UsageFault(`--if "${text}": there is no property "${name}"`);
  }
}

function targetOf(key: Uint8Array): ComparisonTarget {
  return key.at(-2) === SLASH && key.at(-1) === STAR ? { prefix: key.subarray(0, -1) } : key;
}

const SLASH = 0x2f;
const STAR = 0x2a;

function operationOf(text: string): Operation<unknown> {
  const [name, ...words] = wordsIn(text);
  const [first, second] = words;
  const expect = (fewest: number, most: number): void => {
    if (words.length < fewest || words.length > most) {
      throw new UsageFault(`"${text}": see quorate help txn for how it is written`);
    }
  };
  const key = first ?? new Uint8Array(0);
  const value = second ?? new Uint8Array(0);
  switch (Buffer.from(name ?? "").toString()) {
    case "put":
      expect(2, 2);
      return op.put(key, value);
    case "del":
      expect(1, 1);
      return op.delete(key);
    case "incr":
      expect(1, 2);
      return op.increment(key, second === undefined ? 1n : numberIn(second, text, int64));
    case "append":
      expect(2, 2);
      return op.append(key, value);
    case "prepend":
      expect(2, 2);
      return op.prepend(key, value);
    case "get":
      expect(1, 1);
      return op.get(key);
    case "scan": {
      expect(1, 2);
      return op.scan(
        { prefix: key },
        second === undefined ? {} : { limit: numberIn(second, text, positiveNumber) },
      );
    }
    case "count":
      expect(1, 1);
      return op.count({ prefix: key });
    case "del-prefix":
      expect(1, 1);
      return op.deleteRange({ prefix: key });
    default:
      throw new UsageFault(`"${text}" begins with no operation; see quorate help txn`);
  }
}

function wordsIn(text: string): readonly Uint8Array[] {
  const read = wordsOf(text);
  if (read.kind === "malformed") throw new UsageFault(`"${text}": ${read.why}`);
  return read.words;
}

function numberIn<T>(word: Uint8Array, text: string, parse: (text: string) => T): T {
  try {
    return parse(Buffer.from(word).toString());
  } catch (error) {
    throw new UsageFault(`"${text}": ${error instanceof Error ? error.message : String(error)}`);
  }
}

function jsonOf(result: unknown): unknown {
  if (result instanceof KvRecord) return recordFields(result);
  if (typeof result === "bigint") return result.toString();
  if (result === undefined) return null;
  if (typeof result === "object" && result !== null && "records" in result && Array.isArray(result.records)) {
    return { ...result, records: result.records.map(jsonOf) };
  }
  if (typeof result === "object" && result !== null && "deleted" in result)
    return { deleted: result.deleted };
  return typeof result === "object" ? {} : result;
}

function textOf(result: unknown): string {
  if (result instanceof KvRecord) return visible(result.bytes);
  if (result === undefined) return "(none)";
  if (typeof result === "object" && result !== null && "records" in result && Array.isArray(result.records)) {
    const lines = result.records.map(
      (record: KvRecord) => `${visible(record.keyBytes)}\t${visible(record.bytes)}`,
    );
    return lines.length === 0 ? "(none)" : lines.join("\n");
  }
  if (typeof result === "object" && result !== null && "deleted" in result) {
    return result.deleted === true ? "deleted" : "(none)";
  }
  return typeof result === "object" ? "ok" : String(result);
}
