import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Surroundings } from "./child";

/** What `sh` is told: $0 is the size, $1 the directory, and the rest the program. */
const MOUNT_SCRIPT = 'mkdir -p "$1" && mount -t tmpfs -o "size=$0" tmpfs "$1" && shift && exec "$@"';

/**
 * Puts a file system of its own under a process's directory, which nobody else sees and which goes when the process goes
 * (mount_namespaces(7)). It needs no rights but those to make a user namespace.
 */
export function onSmallDisk(directory: string, sizeBytes: number): Surroundings {
  const namespaces = ["unshare", "--user", "--map-root-user", "--mount"];
  return { within: [...namespaces, "sh", "-c", MOUNT_SCRIPT, String(sizeBytes), directory] };
}

/** Takes that much of the small disk of a process; what it took before is free again. 0: all is free. */
export function takeSpace(pid: number, directory: string, takenBytes: number): void {
  const path = join("/proc", String(pid), "root", directory, "taken");
  if (takenBytes === 0) rmSync(path, { force: true });
  else writeFileSync(path, Buffer.alloc(takenBytes));
}
