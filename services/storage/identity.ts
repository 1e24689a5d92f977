import { createHash } from "node:crypto";
import { join } from "node:path";
import { readFileIfThere, replaceFile } from "./durable-file";

/** A member as the cluster was bootstrapped with; addresses are "host:port". */
export interface BootstrapMember {
  readonly id: string;
  readonly clientAddress: string;
  readonly peerAddress: string;
}

/** Whose data directory it is. Written once, as the last step of its creation. */
export interface DataIdentity {
  readonly formatVersion: number;
  readonly clusterId: string;
  readonly memberId: string;
  /** Drawn at random when the directory was created: peers tell by it that this is the disk they know. */
  readonly storeId: string;
  /** The members that the cluster was bootstrapped with, or had when this one joined; in the order of their ids. */
  readonly members: readonly BootstrapMember[];
  /** `bootstrap`: the state began empty, with these members, so that the log from its first entry makes it anew. */
  readonly origin: "bootstrap" | "image";
  /** A change to another cluster was begun and not finished: see changeCluster(). */
  readonly isChangingCluster?: true;
}

/** The layout of the data directory and of all keys and values in it. */
export const FORMAT_VERSION = 7;

const IDENTITY_FILE = "identity.json";

export type IdentityRead =
  | { readonly kind: "found"; readonly identity: DataIdentity }
  | { readonly kind: "missing" }
  | { readonly kind: "unknown_format"; readonly formatVersion: number }
  | { readonly kind: "damaged" };

export async function writeIdentity(directory: string, identity: DataIdentity): Promise<void> {
  const text = JSON.stringify(identity);
  await replaceFile(identityPath(directory), `${text}\n${digest(text)}\n`);
}

export async function readIdentity(directory: string): Promise<IdentityRead> {
  const content = await readFileIfThere(identityPath(directory));
  if (content === null) return { kind: "missing" };
  const [text = "", sum = ""] = content.split("\n");
  if (digest(text) !== sum) return { kind: "damaged" };
  const parsed: unknown = JSON.parse(text);
  const formatVersion = field(parsed, "formatVersion");
  if (typeof formatVersion !== "number") return { kind: "damaged" };
  if (formatVersion !== FORMAT_VERSION) return { kind: "unknown_format", formatVersion };
  return { kind: "found", identity: parsed as DataIdentity };
}

export function identityPath(directory: string): string {
  return join(directory, IDENTITY_FILE);
}

export function inOrderOfIds(members: readonly BootstrapMember[]): readonly BootstrapMember[] {
  return [...members].sort((left, right) => (left.id < right.id ? -1 : left.id > right.id ? 1 : 0));
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
