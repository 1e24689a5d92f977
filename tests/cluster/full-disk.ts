import { execFileSync } from "node:child_process";

/** Beyond what a node logs for people, and soon reached by what it stores. */
const FILE_BYTES_MAX = 512 * 1024;

/** From now on the system refuses the process's writes that would make a file longer than this (setrlimit(2)). */
export function refuseLongFiles(pid: number): void {
  execFileSync("prlimit", [`--pid=${pid}`, `--fsize=${FILE_BYTES_MAX}`]);
}
