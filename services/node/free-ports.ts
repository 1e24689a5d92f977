import { createServer, type Server } from "node:net";
import { listenOn } from "#forward";
import type { NodeConfig } from "./config";
import { listening } from "./start-fault";

/** Where a configuration says that the node listens. */
export type ListeningConfig = Pick<
  NodeConfig,
  "listenClient" | "listenPeer" | "listenMetrics" | "advertiseClient" | "advertisePeer"
>;

/**
 * Sees that a new member could take its ports, before a cluster counts on it; gives them back.
 *
 * @throws ListenFailure
 */
export async function checkPorts(config: ListeningConfig): Promise<void> {
  const wanted = [
    ["listen-peer", config.listenPeer ?? config.advertisePeer],
    ["listen-client", config.listenClient ?? config.advertiseClient],
    ["listen-metrics", config.listenMetrics],
  ] as const;
  const held: Server[] = [];
  try {
    // All at once, so that one port is not found to be free twice.
    for (const [setting, address] of wanted) {
      if (address !== null) held.push(await listening(setting, address, taken(address)));
    }
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

async function taken(address: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await listenOn(server, address);
  return server;
}
