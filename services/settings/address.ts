const WILDCARD_HOSTS: readonly string[] = ["0.0.0.0", "::", "[::]", "*", ""];
const HOST_SHAPE = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$/;

/** What is wrong with a host:port that a program listens on, in words, or null. Port 0 lets the system choose. */
export function listenAddressFault(address: string): string | null {
  return addressFault(address, 0);
}

/** What is wrong with a host:port that others are told to connect to, in words, or null. */
export function advertisedAddressFault(address: string): string | null {
  const fault = addressFault(address, 1);
  if (fault !== null) return fault;
  const host = address.slice(0, address.lastIndexOf(":"));
  if (!WILDCARD_HOSTS.includes(host)) return null;
  return `"${address}" is a wildcard, which nobody can connect to; name a host or address of this machine`;
}

function addressFault(address: string, portMin: number): string | null {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, Math.max(0, colon));
  const portText = address.slice(colon + 1);
  if (colon <= 0 || (!HOST_SHAPE.test(host) && !WILDCARD_HOSTS.includes(host))) {
    return `"${address}" is not HOST:PORT, such as 127.0.0.1:7401`;
  }
  const port = Number(portText);
  if (!/^\d+$/.test(portText) || port < portMin || port > 65_535) {
    return `"${address}" has a bad port; a port is a whole number from ${portMin} to 65535`;
  }
  return null;
}
