import { resolve } from "node:path";
import type { MembershipState } from "#kv";
import type { ImageChunk, ImageHeader, StateReceiver } from "#replica";
import { assert } from "#std";
import { type DataDirectory, logPath } from "./data-directory";
import {
  beginMaking,
  type DirectoryPlace,
  drawnIdentity,
  finishMaking,
  giveUpMaking,
} from "./directory-making";
import { type DirectoryRefusal, refusal } from "./directory-refusal";
import { errorText } from "./error-fields";
import { type BootstrapMember, type DataIdentity, inOrderOfIds, readIdentity } from "./identity";
import { createLog } from "./log-open";
import { pointToState, removeOtherStates } from "./state-directory";
import { LevelStateReceiver } from "./state-receiver";

/** Whose directory is made from an image. */
export interface ImageDirectoryOptions {
  readonly path: string;
  readonly clusterId: string;
  readonly memberId: string;
  /** As they are now, for the identity; the state has its own. */
  readonly members: readonly BootstrapMember[];
}

export type ImageDirectoryOutcome =
  | { readonly kind: "begun"; readonly directory: ImageDirectory }
  | DirectoryRefusal;

/**
 * Begins the directory of a member whose state comes from an image: one that joins a running cluster, or one of a cluster
 * that is restored from a backup. Until it is finished it is none; one that a crash left half made is begun anew.
 */
export async function beginImageDirectory(options: ImageDirectoryOptions): Promise<ImageDirectoryOutcome> {
  const path = resolve(options.path);
  try {
    if ((await readIdentity(path)).kind !== "missing") {
      return refusal(
        "already_made",
        `${path} holds the data of a member already: start that as it is, or give an empty --data-dir`,
      );
    }
    const begun = await beginMaking(path);
    if (begun.kind === "refused") return begun;
    const { clusterId, memberId } = options;
    const members = inOrderOfIds(options.members);
    const identity = drawnIdentity({ clusterId, memberId, members, origin: "image" });
    return { kind: "begun", directory: new ImageDirectory(begun.place, identity) };
  } catch (error) {
    return refusal("not_accessible", `${path} cannot be made into a data directory: ${errorText(error)}`);
  }
}

/** A data directory that waits for its state. */
export class ImageDirectory {
  private receiver: LevelStateReceiver | null = null;

  constructor(
    private readonly place: DirectoryPlace,
    /** What it will be, its store id included. */
    readonly identity: DataIdentity,
  ) {}

  /** Like StateStore.receive. */
  async receive(header: ImageHeader): Promise<StateReceiver> {
    await this.receiver?.abandon();
    this.receiver = null;
    this.receiver = await LevelStateReceiver.create(this.place.path, header);
    return this.receiver;
  }

  /**
   * Makes it a data directory whose state is the one received, whose log goes on after it. Completes the receiver unless
   * that is done. Rejects with ImageDamaged, StoreFailure or errors of the file system; then it is to be abandoned.
   *
   * @param membership takes the place of the one that the image has: a restored cluster begins with members of its own
   */
  async finish(receiver: StateReceiver, membership: MembershipState | null): Promise<DataDirectory> {
    assert(
      receiver instanceof LevelStateReceiver && receiver === this.receiver,
      "a directory is finished with the state that it received last",
    );
    const { path } = this.place;
    await receiver.completeWith(membership);
    const { name, handle, contents } = receiver.take();
    await handle.close();
    await createLog(logPath(path), contents.head.applied);
    await pointToState(path, { name, resetTo: null });
    await finishMaking(this.place, this.identity);
    return { path, identity: this.identity };
  }

  /** Leaves an empty directory. Not after finish() has resolved. */
  async abandon(): Promise<void> {
    await this.receiver?.abandon();
    await giveUpMaking(this.place);
  }
}

/**
 * The same in one go, for chunks that come from one source. Where anything fails nothing is left.
 *
 * @throws ImageDamaged, StoreFailure, or what the chunks throw
 */
export async function createDataDirectoryFromImage(
  options: ImageDirectoryOptions & {
    readonly header: ImageHeader;
    readonly chunks: AsyncIterable<ImageChunk>;
    readonly membership: MembershipState | null;
  },
): Promise<{ readonly kind: "created"; readonly directory: DataDirectory } | DirectoryRefusal> {
  const begun = await beginImageDirectory(options);
  if (begun.kind === "refused") return begun;
  const { directory } = begun;
  try {
    const receiver = await directory.receive(options.header);
    for await (const chunk of options.chunks) await receiver.put(chunk);
    return { kind: "created", directory: await directory.finish(receiver, options.membership) };
  } catch (error) {
    await directory.abandon();
    throw error;
  }
}

/** Makes a place in a data directory that is not open for a state that takes the place of a lost one. */
export function receiveState(directory: DataDirectory, header: ImageHeader): Promise<StateReceiver> {
  return LevelStateReceiver.create(directory.path, header);
}

/**
 * Makes a state that was received and completed the present one of a directory that is not open. The log is reset to it
 * when the stores are opened, unless it holds what the state has applied.
 */
export async function installReceived(directory: DataDirectory, receiver: StateReceiver): Promise<void> {
  assert(receiver instanceof LevelStateReceiver, "a state is installed that receiveState() has made");
  const { name, handle, contents } = receiver.take();
  await handle.close();
  await pointToState(directory.path, { name, resetTo: contents.head.applied });
  await removeOtherStates(directory.path, name);
}
