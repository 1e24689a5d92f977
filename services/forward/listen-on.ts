import type { AddressInfo, Server } from "node:net";

/**
 * Takes a port.
 *
 * @param address host:port; brackets around an IPv6 host may be there or not
 * @returns the port, drawn by the system where `address` says 0; rejects when it cannot be taken
 */
export function listenOn(server: Server, address: string): Promise<number> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port: Number(address.slice(colon + 1)) }, () => {
      server.removeListener("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
