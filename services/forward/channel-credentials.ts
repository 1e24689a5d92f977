import { ChannelCredentials, credentials, type experimental } from "@grpc/grpc-js";

type CreateConnector = ChannelCredentials["_createSecureConnector"];

/**
 * Plain TCP, and none any more once the channel is closed. grpc-js (1.14, subchannel.ts) does not take back the attempt that
 * it has planned after a failed one: a channel that is closed meanwhile would connect, and hold that connection, which
 * nobody knows of, until one of the two processes ends.
 */
export function channelCredentials(): ChannelCredentials {
  return new ClosingCredentials();
}

class ClosingCredentials extends ChannelCredentials {
  private readonly plain = credentials.createInsecure();

  override _isSecure(): boolean {
    return false;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other instanceof ClosingCredentials;
  }

  override _createSecureConnector(...how: Parameters<CreateConnector>): experimental.SecureConnector {
    const connector = this.plain._createSecureConnector(...how);
    let isClosed = false;
    return {
      connect: (socket) => connector.connect(socket),
      waitForReady: () =>
        isClosed ? Promise.reject(new Error("the channel is closed")) : connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => {
        isClosed = true;
        connector.destroy();
      },
    };
  }
}
