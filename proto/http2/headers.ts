import type { HeadersKind } from "./field-rules";

/** The fields of a header block, in their order. */
export class Headers {
  /** A name in lower case and its value, in turn. */
  private readonly fields: readonly string[];
  /** Whether there were more of them than are taken: these are not all. */
  readonly isCutOff: boolean;
  /** What they come to, as HPACK counts: some 32 bytes a field beside its texts. */
  readonly bytes: number;
  readonly kind: HeadersKind;

  constructor(fields: readonly string[], kind: HeadersKind, bytes: number, isCutOff: boolean) {
    this.fields = fields;
    this.kind = kind;
    this.bytes = bytes;
    this.isCutOff = isCutOff;
  }

  /** The value under a name in lower case, those of several fields joined by commas; null where there is none. */
  get(name: string): string | null {
    const { fields } = this;
    let found: string | null = null;
    for (let at = 0; at < fields.length; at += 2) {
      if (fields[at] !== name) continue;
      const value = fields[at + 1] as string;
      found = found === null ? value : `${found}, ${value}`;
    }
    return found;
  }
}
