/** The fields that have a number from the start, in order, from 1 on (RFC 7541, appendix A). */
export const STATIC_FIELDS: readonly (readonly [name: string, value: string])[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ["accept-language", ""],
  ["accept-ranges", ""],
  ["accept", ""],
  ["access-control-allow-origin", ""],
  ["age", ""],
  ["allow", ""],
  ["authorization", ""],
  ["cache-control", ""],
  ["content-disposition", ""],
  ["content-encoding", ""],
  ["content-language", ""],
  ["content-length", ""],
  ["content-location", ""],
  ["content-range", ""],
  ["content-type", ""],
  ["cookie", ""],
  ["date", ""],
  ["etag", ""],
  ["expect", ""],
  ["expires", ""],
  ["from", ""],
  ["host", ""],
  ["if-match", ""],
  ["if-modified-since", ""],
  ["if-none-match", ""],
  ["if-range", ""],
  ["if-unmodified-since", ""],
  ["last-modified", ""],
  ["link", ""],
  ["location", ""],
  ["max-forwards", ""],
  ["proxy-authenticate", ""],
  ["proxy-authorization", ""],
  ["range", ""],
  ["referer", ""],
  ["refresh", ""],
  ["retry-after", ""],
  ["server", ""],
  ["set-cookie", ""],
  ["strict-transport-security", ""],
  ["transfer-encoding", ""],
  ["user-agent", ""],
  ["vary", ""],
  ["via", ""],
  ["www-authenticate", ""],
];

/** The first number of a field that was told on the connection. */
export const DYNAMIC_FROM = STATIC_FIELDS.length + 1;

/** What a table takes that nobody has set the size of, and what we let the other side have. */
export const TABLE_BYTES_DEFAULT = 4096;

/** What a field counts for beside its texts (RFC 7541, section 4.1). */
const FIELD_BYTES = 32;

export function fieldBytes(name: string, value: string): number {
  return name.length + value.length + FIELD_BYTES;
}

/** The fields that the other side has had kept, newest first, within a size. */
export class FieldTable {
  private readonly capacity: number;
  private readonly names: string[];
  private readonly values: string[];
  private readonly roles: number[];
  private newest = 0;
  private count = 0;
  private bytes = 0;
  private bytesMax: number;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
    this.capacity = Math.floor(bytesMax / FIELD_BYTES);
    this.names = new Array<string>(this.capacity).fill("");
    this.values = new Array<string>(this.capacity).fill("");
    this.roles = new Array<number>(this.capacity).fill(0);
  }

  get size(): number {
    return this.count;
  }

  /** @param age 0 is the newest; below `size` */
  name(age: number): string {
    return this.names[(this.newest - age + this.capacity) % this.capacity] as string;
  }

  value(age: number): string {
    return this.values[(this.newest - age + this.capacity) % this.capacity] as string;
  }

  role(age: number): number {
    return this.roles[(this.newest - age + this.capacity) % this.capacity] as number;
  }

  /** A field that is larger than the table empties it. @param role what `field-rules` says of it */
  add(name: string, value: string, role: number): void {
    const bytes = fieldBytes(name, value);
    this.evictTo(this.bytesMax - bytes);
    if (bytes > this.bytesMax) return;
    this.newest = (this.newest + 1) % this.capacity;
    this.names[this.newest] = name;
    this.values[this.newest] = value;
    this.roles[this.newest] = role;
    this.bytes += bytes;
    this.count += 1;
  }

  /** @param bytesMax not above what the table was made with */
  resize(bytesMax: number): void {
    this.bytesMax = bytesMax;
    this.evictTo(bytesMax);
  }

  private evictTo(bytesMax: number): void {
    while (this.count > 0 && this.bytes > bytesMax) {
      const oldest = this.count - 1;
      this.bytes -= fieldBytes(this.name(oldest), this.value(oldest));
      this.count = oldest;
    }
  }
}
