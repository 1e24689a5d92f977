import { type ByteCall, type ByteService, type ByteSink, callerLeft } from "@quorate/services/forward";
import type { PauseGate } from "./pause-gate";

/** The services of a node that may be paused: then calls wait at its door, and answers inside. */
export class PausedService implements ByteService {
  constructor(
    private readonly service: ByteService,
    private readonly gate: PauseGate,
  ) {}

  async unary(call: ByteCall): Promise<Uint8Array> {
    await this.passed(call);
    try {
      return await this.service.unary(call);
    } finally {
      await this.passed(null);
    }
  }

  async stream(call: ByteCall, sink: ByteSink): Promise<void> {
    await this.passed(call);
    try {
      await this.service.stream(call, {
        write: async (message) => {
          await this.passed(call);
          await sink.write(message);
        },
      });
    } finally {
      await this.passed(null);
    }
  }

  async duplex(call: ByteCall, source: AsyncIterable<Buffer>, sink: ByteSink): Promise<void> {
    await this.passed(call);
    try {
      await this.service.duplex(call, this.arriving(call, source), {
        write: async (message) => {
          await this.passed(call);
          await sink.write(message);
        },
      });
    } finally {
      await this.passed(null);
    }
  }

  /** What arrives while the node is paused is taken when it goes on. */
  private async *arriving(
    call: ByteCall,
    source: AsyncIterable<Buffer>,
  ): AsyncGenerator<Buffer, void, undefined> {
    for await (const message of source) {
      await this.passed(call);
      yield message;
    }
    await this.passed(call);
  }

  /** What was given up while it waited outside is not begun. */
  private async passed(call: ByteCall | null): Promise<void> {
    if (this.gate.isPaused) await new Promise<void>((resolve) => this.gate.pass(resolve));
    if (call?.aborted === true) throw callerLeft();
  }
}
