import {
  ConnectionError,
  errorCode,
  FRAME_BYTES_MAX,
  flowControlError,
  protocolError,
  setting,
  WINDOW_BYTES_MAX,
} from "./frames";
import { ResetBudget } from "./reset-budget";
import type { Sender } from "./sender";
import type { Stream } from "./stream";

/** Heeds the settings of the other side that mean the same to both ends. */
export class PeerSettings {
  private readonly sender: Sender;
  private readonly streams: ReadonlyMap<number, Stream>;
  /** How often windows of all streams are changed is bounded as resets are. */
  private readonly widenings = new ResetBudget();

  /** @param streams those that there are whenever settings come */
  constructor(sender: Sender, streams: ReadonlyMap<number, Stream>) {
    this.sender = sender;
    this.streams = streams;
  }

  /**
   * @returns whether it is one of these
   * @throws ConnectionError
   */
  heed(id: number, value: number): boolean {
    switch (id) {
      case setting.headerTableSize:
        this.sender.setTableBytesMax(value);
        return true;
      case setting.initialWindowSize: {
        if (value > WINDOW_BYTES_MAX) throw flowControlError();
        const more = value - this.sender.initialWindow;
        this.sender.initialWindow = value;
        this.widenAll(more);
        return true;
      }
      case setting.maxFrameSize:
        // Ours are never longer than the least that it may be.
        if (value < FRAME_BYTES_MAX) throw protocolError("frames that are too short");
        return true;
      default:
        return false;
    }
  }

  /** Of all streams, which costs us by far more than who says it. */
  private widenAll(bytes: number): void {
    if (bytes === 0) return;
    if (this.widenings.spend()) throw new ConnectionError(errorCode.enhanceYourCalm, "too many settings");
    for (const stream of this.streams.values()) {
      if (!this.sender.widenStream(stream, bytes)) throw flowControlError();
    }
  }
}
