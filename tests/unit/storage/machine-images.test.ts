import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { readCommand, StateMachine } from "@quorate/services/kv";
import type { StateStore } from "@quorate/services/replica";
import fc from "fast-check";
import { LevelRig } from "../../compliance/level-rig";
import { isLongRun } from "../../support/long-run";
import { entries } from "../kv/arbitrary-entries";

const SAMPLES = fc.sample(entries, { numRuns: isLongRun ? 40 : 12 });

describe("images of what the state machine makes", () => {
  let rigs: readonly [LevelRig, LevelRig];

  beforeEach(async () => {
    rigs = [
      await LevelRig.create({ imageChunkBytes: 2000 }),
      await LevelRig.create({ imageChunkBytes: 700 }),
    ];
  });

  afterEach(async () => {
    for (const rig of rigs) await rig.dispose();
  });

  async function applied(
    state: StateStore,
    machine: StateMachine,
    list: readonly Uint8Array[],
    from: number,
  ) {
    for (const [at, entry] of list.entries()) {
      const command = readCommand(entry);
      const reads = machine.reads(command);
      const view = await state.read(reads);
      const { writes } = machine.apply([command], view);
      await state.write({ applied: { term: 1, index: from + at + 1 }, writes });
    }
  }

  /** All rows but the head, which numbers the batches of its own directory. */
  async function rowsOf(state: StateStore): Promise<string> {
    const parts: Buffer[] = [];
    const frozen = state.freeze();
    for await (const { data } of frozen.chunks(null)) parts.push(Buffer.from(data));
    frozen.close();
    const all = Buffer.concat(parts);
    return all.subarray(2 + (all[0] as number) + (all[1] as number)).toString("hex");
  }

  it("F3: hold it byte for byte, and a member that has installed one goes on as the others do", async () => {
    const [source, target] = [await rigs[0].openState(), await rigs[1].openState()];
    const machine = new StateMachine(source.opened.resident);
    let index = 0;
    for (const [round, list] of SAMPLES.entries()) {
      const cut = round % (list.length + 1);
      await applied(source, machine, list.slice(0, cut), index);
      index += cut;
      if (index === 0) continue;
      const frozen = source.freeze();
      const receiver = await target.receive(frozen.header);
      for await (const chunk of frozen.chunks(null)) await receiver.put(chunk);
      frozen.close();
      await receiver.complete();
      const { resident } = await target.install(receiver);
      expect(resident).toEqual(machine.resident());
      await rigs[0].settle();
      await rigs[1].settle();
      expect(await rowsOf(target)).toBe(await rowsOf(source));
      const rest = list.slice(cut);
      await applied(target, new StateMachine(resident), rest, index);
      await applied(source, machine, rest, index);
      index += rest.length;
      await rigs[0].settle();
      await rigs[1].settle();
      const [left, right] = [source.freeze(), target.freeze()];
      expect(left.header).toEqual(right.header);
      left.close();
      right.close();
    }
    expect(index).toBeGreaterThan(isLongRun ? 500 : 150);
  });
});
