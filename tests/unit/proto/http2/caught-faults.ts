import type { Socket } from "node:net";

/** What a connection throws while it reads of a socket, where the process would end, is noted, and the socket ended. */
export function catchFaults(socket: Socket, faults: unknown[]): void {
  for (const read of socket.listeners("data") as ((chunk: Buffer) => void)[]) {
    socket.off("data", read);
    socket.on("data", (chunk: Buffer) => {
      try {
        read(chunk);
      } catch (error) {
        faults.push(error);
        socket.destroy();
      }
    });
  }
}
