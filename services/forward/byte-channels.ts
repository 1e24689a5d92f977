import { ByteChannel } from "./byte-channel";
import type { ByteChannelOptions } from "./channel-options";

/** One channel for each address, made when it is first needed. */
export class ByteChannels {
  private readonly options: ByteChannelOptions;
  private readonly channels = new Map<string, ByteChannel>();

  constructor(options: ByteChannelOptions) {
    this.options = options;
  }

  /** @param address host:port */
  to(address: string): ByteChannel {
    let channel = this.channels.get(address);
    if (channel === undefined) {
      channel = new ByteChannel(address, this.options);
      this.channels.set(address, channel);
    }
    return channel;
  }

  /** Closes those to other addresses; calls under way go on to their end. */
  keepOnly(addresses: readonly string[]): void {
    for (const [address, channel] of [...this.channels]) {
      if (addresses.includes(address)) continue;
      channel.close();
      this.channels.delete(address);
    }
  }

  /** Safe to call twice. */
  close(): void {
    for (const channel of this.channels.values()) channel.close();
    this.channels.clear();
  }
}
