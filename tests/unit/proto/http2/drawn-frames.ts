import {
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  HEADERS,
  number32,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../../grpc/http2-frames";

/** Numbers from 0 to below `end` that a seed determines (mulberry32). */
export function drawing(seed: number): (end: number) => number {
  let state = seed;
  return (end) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  };
}

/** Frames that are mostly as they may be, in an order that mostly is not. @param block of headers */
export function anyFrame(draw: (end: number) => number, block: Buffer): Buffer {
  const streamId = draw(10) === 0 ? draw(30) : draw(10) * 2 + 1;
  const bytes = Buffer.from(Array.from({ length: draw(40) }, () => draw(256)));
  switch (draw(9)) {
    case 0:
    case 1:
    case 2:
      return frame(HEADERS, END_HEADERS | (draw(2) * END_STREAM), streamId, block);
    case 3:
    case 4:
      return frame(DATA, draw(2) * END_STREAM, streamId, bytes);
    case 5: {
      const setting = Buffer.alloc(6);
      setting.writeUInt16BE(draw(7));
      setting.writeUInt32BE(draw(100_000), 2);
      return frame(SETTINGS, 0, 0, setting);
    }
    case 6: {
      const window = number32(draw(100_000));
      return frame(WINDOW_UPDATE, 0, draw(2) * streamId, window);
    }
    case 7:
      return frame(RST_STREAM, 0, streamId, Buffer.alloc(4, draw(9)));
    default:
      return frame(draw(12), draw(256), streamId, bytes);
  }
}

/** With some bytes changed, left out or said twice. */
export function spoilt(bytes: Buffer, draw: (end: number) => number): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (let count = draw(3); count > 0 && at < bytes.length; count -= 1) {
    const until = at + draw(bytes.length - at);
    parts.push(bytes.subarray(at, until));
    const kind = draw(3);
    if (kind === 0) parts.push(Buffer.of(draw(256)));
    else if (kind === 1) parts.push(bytes.subarray(at, until));
    at = until + 1;
  }
  parts.push(bytes.subarray(at));
  return Buffer.concat(parts);
}
