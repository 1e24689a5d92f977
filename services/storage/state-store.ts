import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Change, StateReads, StateView, StoredRecord } from "#kv";
import {
  type FrozenState,
  type HistoryQuery,
  type ImageHeader,
  type OpenedState,
  type RangeQuery,
  type RecordRepair,
  type RecordsQuery,
  type StateBatch,
  type StateReceiver,
  StateReplaced,
  type StateStore,
} from "#replica";
import { assert } from "#std";
import { LevelState, type StateLimits } from "./level-state";
import { pointToState } from "./state-directory";
import { LevelStateReceiver, type WholeState } from "./state-receiver";

/** The state of a group in LevelDB: the present state directory, and at times one that is being received. */
export class LevelStateStore implements StateStore {
  private present: LevelState;
  private name: string;
  private receiver: LevelStateReceiver | null = null;
  private retiring: Promise<void> = Promise.resolve();
  private isClosed = false;

  constructor(
    private readonly dataPath: string,
    { name, handle, contents }: WholeState,
    private readonly limits: StateLimits,
  ) {
    this.name = name;
    this.present = new LevelState(handle, contents, limits);
  }

  get opened(): OpenedState {
    return this.present.opened;
  }

  get checkpointIndex(): number {
    return this.present.checkpointIndex;
  }

  read(reads: StateReads): StateView | Promise<StateView> {
    return this.present.read(reads);
  }

  write(batch: StateBatch): Promise<void> | null {
    return this.present.write(batch);
  }

  checkpoint(): Promise<void> {
    return this.present.checkpoint();
  }

  freeze(): FrozenState {
    return this.present.freeze();
  }

  async receive(header: ImageHeader): Promise<StateReceiver> {
    this.present.check();
    await this.receiver?.abandon();
    this.receiver = null;
    const receiver = await LevelStateReceiver.create(this.dataPath, header);
    if (this.isClosed) {
      await receiver.abandon();
      this.present.check();
    }
    this.receiver = receiver;
    return receiver;
  }

  /** Before the pointer is replaced a crash leaves the present state, after it the new one: both are whole. */
  async install(receiver: StateReceiver): Promise<OpenedState> {
    assert(
      receiver instanceof LevelStateReceiver && receiver === this.receiver,
      "a state is installed that was received last, by this store",
    );
    const { present: before, name: nameBefore } = this;
    return before.alone(async () => {
      before.check();
      const { name, handle, contents } = receiver.take();
      this.receiver = null;
      try {
        await pointToState(this.dataPath, { name, resetTo: contents.head.applied });
      } catch (error) {
        await handle.close();
        throw before.fault("could not be replaced", error);
      }
      this.name = name;
      this.present = new LevelState(handle, contents, this.limits);
      this.retiring = Promise.all([this.retiring, this.retire(before, nameBefore)]).then(() => undefined);
      return this.present.opened;
    });
  }

  repair(repairs: readonly RecordRepair[]): Promise<void> {
    return this.present.repair(repairs);
  }

  /** What was being read when another state took the place of this one is read in that one. */
  async records(query: RecordsQuery): Promise<readonly (StoredRecord | null)[]> {
    for (;;) {
      try {
        return await this.present.records(query);
      } catch (error) {
        if (!(error instanceof StateReplaced)) throw error;
      }
    }
  }

  scan(query: RangeQuery): AsyncIterable<readonly StoredRecord[]> {
    return this.present.scan(query);
  }

  history(query: HistoryQuery): AsyncIterable<readonly Change[]> {
    return this.present.history(query);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.receiver?.abandon();
    this.receiver = null;
    await this.present.close();
    await this.retiring;
  }

  /** Resolves when LevelDB has what was written so far, as a process that is killed leaves it behind. */
  flush(): Promise<void> {
    return this.present.flush();
  }

  /** Resolves when nothing is left to remove. */
  async settle(): Promise<void> {
    await this.present.settle();
    await this.retiring;
  }

  private async retire(state: LevelState, name: string): Promise<void> {
    try {
      await state.replaced();
      await rm(join(this.dataPath, name), { recursive: true, force: true });
    } catch {
      // It holds nothing that is needed, only space: what is left goes when the stores are opened next.
    }
  }
}
