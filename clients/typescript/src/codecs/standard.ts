import { type Codec, json } from "#client/codec";
import { invalidArgument } from "#client/errors";

/** One reason why a value does not fit a schema. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema says of a value. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/**
 * What a validator of the Standard Schema interface, version 1, has (https://standardschema.dev): Zod, Valibot, ArkType
 * and others.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** The type of the values that a schema accepts. */
export type StandardInput<Schema extends StandardSchema> = NonNullable<Schema["~standard"]["types"]>["input"];

/** The type of the values that a schema gives back. */
export type StandardOutput<Schema extends StandardSchema> = NonNullable<
  Schema["~standard"]["types"]
>["output"];

/** How many issues an error names. */
const ISSUES_MAX = 5;

/**
 * Values that are checked by a validator whenever they are written or read. What is stored is the value as it was given,
 * once the schema accepts it; what is read is what the schema makes of that, with its defaults and transformations.
 * Failures name the issues. A schema that answers with a promise is refused: reading a record waits for nothing.
 *
 * @example
 * const User = z.object({ name: z.string(), admin: z.boolean().default(false) });
 * const users = kv.collection("user/", standard(User));
 * await users.put("1", { name: "Ada" });
 * const user = await users.get("1"); // { name: string; admin: boolean } | undefined
 *
 * @param base how the value is stored; as JSON by default
 */
export function standard<Schema extends StandardSchema>(
  schema: Schema,
  base: Codec<unknown, StandardInput<Schema>> = json<unknown>(),
): Codec<StandardOutput<Schema>, StandardInput<Schema>> {
  return {
    encode(value) {
      validated(schema, value);
      return base.encode(value);
    },
    decode: (stored) => validated(schema, base.decode(stored)),
  };
}

function validated<Schema extends StandardSchema>(schema: Schema, value: unknown): StandardOutput<Schema> {
  const result = schema["~standard"].validate(value);
  if (result instanceof Promise) {
    // Its failure has no other reader.
    result.catch(() => undefined);
    throw invalidArgument(
      `the schema (of ${schema["~standard"].vendor}) validates asynchronously: use one that answers at once`,
    );
  }
  if (result.issues !== undefined) throw invalidArgument(describe(result.issues));
  return result.value as StandardOutput<Schema>;
}

function describe(issues: readonly StandardIssue[]): string {
  const named = issues.slice(0, ISSUES_MAX).map(({ message, path = [] }) => {
    const place = path.map((part) => String(typeof part === "object" ? part.key : part)).join(".");
    return place === "" ? message : `${place}: ${message}`;
  });
  const rest = issues.length - named.length;
  return `${named.join("; ")}${rest > 0 ? `; and ${rest} more` : ""}`;
}
