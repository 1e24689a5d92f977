/*
 * What fields may be, and of what fields a header is (RFC 9113, sections 8.2 and 8.3). Of values hardly anything is said: none
 * of ours is handed on in HTTP/1.
 */

/** A request has a method, a scheme and a path, an answer a status, trailers nothing that begins with a colon. */
export type HeadersKind = "request" | "response" | "trailers" | "malformed";

/** What a field, or all of a block up to it, is: bits. */
const METHOD = 1;
const SCHEME = 2;
const PATH = 4;
const AUTHORITY = 8;
const STATUS = 16;
const COMMON = 32;
const MALFORMED = 64;

/** Upper case is no case of HTTP/2. */
const COMMON_NAME = /^[!-9;-@[-~]+$/;

/** @returns what a field of that name is, to be kept with it: it is asked for where a name is spelled out */
export function roleOf(name: string): number {
  switch (name) {
    case ":method":
      return METHOD;
    case ":scheme":
      return SCHEME;
    case ":path":
      return PATH;
    case ":authority":
      return AUTHORITY;
    case ":status":
      return STATUS;
    // They speak of a connection of HTTP/1.
    case "connection":
    case "keep-alive":
    case "proxy-connection":
    case "transfer-encoding":
    case "upgrade":
      return MALFORMED;
    default:
      return COMMON_NAME.test(name) ? COMMON : MALFORMED;
  }
}

/** @returns what a field is whose value is spelled out */
export function roleWithValue(role: number, name: string, value: string): number {
  return name === "te" && value !== "trailers" ? MALFORMED : role;
}

/** @param seen what the fields before are, 0 for none: those of the protocol come first, and once */
export function seenWith(seen: number, role: number): number {
  if (role === COMMON) return seen | COMMON;
  return (seen & (role | COMMON)) === 0 ? seen | role : MALFORMED | COMMON;
}

/** @param seen what all fields of a block are */
export function kindOf(seen: number): HeadersKind {
  switch (seen & ~COMMON) {
    case METHOD | SCHEME | PATH:
    case METHOD | SCHEME | PATH | AUTHORITY:
      return "request";
    case STATUS:
      return "response";
    case 0:
      return "trailers";
    default:
      return "malformed";
  }
}
