import type { HistoryRecord } from "./history";

/** A line that is no record of the format. The message names the line and the field at fault. */
export class HistoryFault extends Error {
  /** Counted from 1. */
  readonly line: number;
  /** Such as "args.value"; null where the line as a whole is at fault. */
  readonly field: string | null;

  constructor(line: number, field: string | null, problem: string) {
    super(`line ${line}: ${field === null ? "" : `field "${field}": `}${problem}`);
    this.name = "HistoryFault";
    this.line = line;
    this.field = field;
  }
}

/**
 * Reads a history in JSON Lines. Unknown fields are refused: a misspelt optional field would silently weaken the check.
 * @throws HistoryFault
 */
export function parseHistory(text: string): HistoryRecord[] {
  const records: HistoryRecord[] = [];
  const clients = new Map<string, { readonly line: number; readonly returned: bigint | null }>();
  let from = 0;
  for (let line = 1; from < text.length; line += 1) {
    const end = text.indexOf("\n", from);
    const content = end < 0 ? text.slice(from) : text.slice(from, end);
    from = end < 0 ? text.length : end + 1;
    if (content.trim() === "") throw new HistoryFault(line, null, "the line is empty");
    const record = parseRecord(content, line);
    const invoked = BigInt(record.invoke);
    const before = clients.get(record.client);
    if (before !== undefined && before.returned === null) {
      throw new HistoryFault(
        line,
        "client",
        `"${record.client}" must go on under a new name after the unknown outcome on line ${before.line}`,
      );
    }
    if (before?.returned != null && invoked < before.returned) {
      throw new HistoryFault(
        line,
        "invoke",
        `"${record.client}" runs one operation at a time, and the one on line ${before.line} had not returned`,
      );
    }
    clients.set(record.client, {
      line,
      returned: record.return === undefined ? null : BigInt(record.return),
    });
    records.push(record);
  }
  return records;
}

/** One line, with its line feed. */
export function formatRecord(record: HistoryRecord): string {
  const { client, op, key, args, result, status, invoke } = record;
  const shown = { client, op, key, args, result, status, invoke };
  return `${JSON.stringify(record.return === undefined ? shown : { ...shown, return: record.return })}\n`;
}

export function formatHistory(records: readonly HistoryRecord[]): string {
  return records.map(formatRecord).join("");
}

type Check = (value: unknown) => string | null;
type Shape = Readonly<Record<string, Check>>;

const isText: Check = (value) => (typeof value === "string" ? null : "must be a string");
const isName: Check = (value) =>
  typeof value === "string" && value !== "" ? null : "must be a string that is not empty";
const isTextOrNull: Check = (value) =>
  value === null || typeof value === "string" ? null : "must be a string or null";
const isFlag: Check = (value) => (typeof value === "boolean" ? null : "must be true or false");
// An integer beyond 2^53 has already lost digits when JSON.parse returns it.
const isInteger: Check = (value) =>
  Number.isSafeInteger(value) ? null : "must be a whole number between -(2^53 - 1) and 2^53 - 1";
const isTime: Check = (value) =>
  typeof value === "string" && /^\d+$/.test(value) ? null : "must be nanoseconds as a decimal string";
const isRevision: Check = (value) =>
  Number.isSafeInteger(value) && Number(value) >= 0 ? null : "must be a whole number of at least 0";

const SHAPES = {
  get: { args: {}, result: { value: isTextOrNull } },
  put: { args: { value: isText }, result: {} },
  delete: { args: {}, result: { deleted: isFlag } },
  cas: { args: { expect: isTextOrNull, value: isText }, result: { swapped: isFlag } },
  incr: { args: { by: isInteger }, result: { value: isInteger } },
  append: { args: { value: isText }, result: { value: isText } },
} as const satisfies Record<HistoryRecord["op"], { readonly args: Shape; readonly result: Shape }>;

const FIELDS = ["client", "op", "key", "args", "result", "status", "invoke", "return"];

function parseRecord(content: string, line: number): HistoryRecord {
  const refuse = (field: string | null, problem: string): never => {
    throw new HistoryFault(line, field, problem);
  };
  const fields = objectIn(content, line);
  for (const field of Object.keys(fields)) {
    if (!FIELDS.includes(field)) refuse(field, "there is no such field");
  }
  const check = (field: string, value: unknown, test: Check) => {
    const problem = value === undefined ? "is missing" : test(value);
    if (problem !== null) refuse(field, problem);
  };
  check("client", fields.client, isName);
  check("key", fields.key, isText);
  check("invoke", fields.invoke, isTime);
  const shape = shapeOf(fields.op) ?? refuse("op", `must be one of ${Object.keys(SHAPES).join(", ")}`);
  checkObject("args", fields.args, shape.args, {}, refuse);
  const { status } = fields;
  if (status !== "ok" && status !== "fail" && status !== "unknown") {
    return refuse("status", "must be ok, fail or unknown");
  }
  if (status === "ok") {
    checkObject("result", fields.result, shape.result, { rev: isRevision }, refuse);
    checkRevision(fields.result as ResultFields, refuse);
  } else if (fields.result !== null) {
    refuse("result", `must be null when the status is ${status}`);
  }
  if (status === "unknown") {
    if (fields.return !== undefined) refuse("return", "must be left out when the status is unknown");
  } else {
    check("return", fields.return, isTime);
    if (BigInt(String(fields.return)) < BigInt(String(fields.invoke))) refuse("return", "is before invoke");
  }
  // Each field was checked against the shape of its operation.
  return fields as unknown as HistoryRecord;
}

interface ResultFields {
  readonly value?: unknown;
  readonly deleted?: unknown;
  readonly rev?: number;
}

/** A key that is not there has no modification revision; a recorder that gives the store's revision would mislead. */
function checkRevision(result: ResultFields, refuse: (field: string, problem: string) => never): void {
  const isAbsent = result.value === null || result.deleted === false;
  if (isAbsent && (result.rev ?? 0) > 0) refuse("result.rev", "must be 0 or left out: there was no such key");
}

function objectIn(content: string, line: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (problem) {
    throw new HistoryFault(line, null, `not JSON: ${problem instanceof Error ? problem.message : problem}`);
  }
  if (!isObject(value)) throw new HistoryFault(line, null, "must be a JSON object");
  return value;
}

function shapeOf(op: unknown): { readonly args: Shape; readonly result: Shape } | null {
  return typeof op === "string" && Object.hasOwn(SHAPES, op) ? SHAPES[op as HistoryRecord["op"]] : null;
}

function checkObject(
  field: string,
  value: unknown,
  required: Shape,
  optional: Shape,
  refuse: (field: string, problem: string) => never,
): void {
  if (!isObject(value)) {
    refuse(field, value === undefined ? "is missing" : "must be an object");
    return;
  }
  for (const name of Object.keys(value)) {
    const test = required[name] ?? optional[name] ?? refuse(`${field}.${name}`, "there is no such field");
    const problem = test(value[name]);
    if (problem !== null) refuse(`${field}.${name}`, problem);
  }
  for (const name of Object.keys(required)) {
    if (!Object.hasOwn(value, name)) refuse(`${field}.${name}`, "is missing");
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
