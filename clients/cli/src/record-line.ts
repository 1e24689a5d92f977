/** A key and a value as they are stored. */
export interface StoredPair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** What a line of a file holds: a pair, or why it holds none. */
export type LineOutcome =
  | { readonly kind: "pair"; readonly pair: StoredPair }
  | { readonly kind: "malformed"; readonly why: string };

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text that the bytes encode in UTF-8, or null when they are not UTF-8. */
export function textOrNull(bytes: Uint8Array): string | null {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return null;
  }
}

/** Bytes as they appear in files and in JSON output: text, or base64 where either key or value is not UTF-8. */
export interface PairText {
  readonly key: string;
  readonly value: string;
  readonly encoding: "" | "base64";
}

export function textOfPair({ key, value }: StoredPair): PairText {
  const keyText = textOrNull(key);
  const valueText = textOrNull(value);
  if (keyText !== null && valueText !== null) return { key: keyText, value: valueText, encoding: "" };
  return { key: base64(key), value: base64(value), encoding: "base64" };
}

export function pairOfText({
  key,
  value,
  encoding,
}: {
  key: string;
  value: string;
  encoding: string;
}): LineOutcome {
  if (encoding !== "" && encoding !== "base64") {
    return { kind: "malformed", why: `the encoding is "base64" or left out, not "${encoding}"` };
  }
  if (encoding === "") return { kind: "pair", pair: { key: Buffer.from(key), value: Buffer.from(value) } };
  const pair = { key: Buffer.from(key, "base64"), value: Buffer.from(value, "base64") };
  if (base64(pair.key) !== key) return { kind: "malformed", why: "the key is not base64" };
  if (base64(pair.value) !== value) return { kind: "malformed", why: "the value is not base64" };
  return { kind: "pair", pair };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
