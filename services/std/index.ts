export { asInteger } from "./as-integer";
export { AssertionError, assert, unreachable } from "./assert";
export { BoundedQueue } from "./bounded-queue";
export { bytesEqual, compareBytes, concatBytes, EMPTY_BYTES, hexDecode, hexEncode } from "./bytes";
export { hash32 } from "./hash32";
export { type Random, seededRandom } from "./random";
export { compareStrings, sortedEntries, sortedKeys } from "./sorted";
export { utf8Decode, utf8Encode } from "./utf8";
