import { execFile } from "node:child_process";
import { programPath } from "./process";

/** The node program names itself and its setting before what is wrong; whoever asks here is told in the words of its own command. */
const NODE_PREFIX = /^quorate-node: verify-backup: /;

/** What a node says of a backup file. */
export interface BackupVerdict {
  readonly isSound: boolean;
  /** One line: what it holds, or what is wrong with it. */
  readonly line: string;
}

/** Reads a whole backup file, in a process of its own, and checks every byte of it. Restores nothing. */
export function verifyBackupFile(path: string): Promise<BackupVerdict> {
  return new Promise((resolve) => {
    execFile(process.execPath, [programPath("node"), "--verify-backup", path], (error, out, err) => {
      const line = (error === null ? out : err || out || error.message).trim().replace(NODE_PREFIX, "");
      resolve({ isSound: error === null, line });
    });
  });
}
