import { withoutPadding } from "./frame-reader";
import { ConnectionError, errorCode, FRAME_HEAD_BYTES, flag, frameType } from "./frames";
import { HeaderDecoder } from "./header-decoder";
import type { Headers } from "./headers";

/** What one header may take of the wire. */
const HEADER_BLOCK_BYTES_MAX = 64 * 1024;

const PRIORITY_BYTES = 5;

/** A header whose frames have not all come. */
interface UnfinishedHeader {
  readonly streamId: number;
  readonly endsStream: boolean;
  readonly parts: Buffer[];
  bytes: number;
}

/** Reads the headers of one side of a connection out of their frames, which follow each other. */
export class HeaderBlocks {
  private readonly decoder = new HeaderDecoder();
  private readonly taken: (streamId: number, endsStream: boolean, headers: Headers) => void;
  private header: UnfinishedHeader | null = null;

  /** @param taken told of each that is whole */
  constructor(taken: (streamId: number, endsStream: boolean, headers: Headers) => void) {
    this.taken = taken;
  }

  /** Throws a ConnectionError where another frame is due than one of this type and stream. */
  checkTurn(type: number, streamId: number): void {
    const isContinuation = type === frameType.continuation;
    if (isContinuation !== (this.header !== null) || (isContinuation && streamId !== this.header?.streamId)) {
      throw new ConnectionError(errorCode.protocol, "a header whose frames do not follow each other");
    }
  }

  /** HEADERS have come. Throws a ConnectionError, as does what follows. */
  begin(flags: number, streamId: number, payload: Buffer): void {
    let block = (flags & flag.padded) === 0 ? payload : withoutPadding(payload);
    if ((flags & flag.priority) !== 0) {
      if (block.length < PRIORITY_BYTES)
        throw new ConnectionError(errorCode.frameSize, "a header is cut off");
      block = block.subarray(PRIORITY_BYTES);
    }
    const endsStream = (flags & flag.endStream) !== 0;
    if ((flags & flag.endHeaders) !== 0) this.read(streamId, endsStream, block);
    else this.header = { streamId, endsStream, parts: [Buffer.from(block)], bytes: payload.length };
  }

  /** CONTINUATION has come, in its turn. */
  goOn(flags: number, payload: Buffer): void {
    const header = this.header as UnfinishedHeader;
    header.bytes += FRAME_HEAD_BYTES + payload.length;
    if (header.bytes > HEADER_BLOCK_BYTES_MAX) {
      throw new ConnectionError(errorCode.enhanceYourCalm, "a header that is too long");
    }
    header.parts.push(Buffer.from(payload));
    if ((flags & flag.endHeaders) === 0) return;
    this.header = null;
    this.read(header.streamId, header.endsStream, Buffer.concat(header.parts));
  }

  /** Whatever becomes of its stream: what a block has kept is meant by those that follow. */
  private read(streamId: number, endsStream: boolean, block: Buffer): void {
    this.taken(streamId, endsStream, this.decoder.decode(block));
  }
}
