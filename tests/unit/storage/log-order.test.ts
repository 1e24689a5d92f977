import { expect, it } from "@jest/globals";
import { seededRandom } from "@quorate/services/std";
import { createLogOn, type LogDisk, type LogFile, openLogOn } from "@quorate/services/storage";
import { CrashingLogDisk } from "./crashing-log-disk";

/** Whether the disk was asked for a write, and its answer. */
class HeldWrites {
  readonly asked: (() => void)[] = [];
  isHolding = false;

  on(disk: LogDisk): LogDisk {
    return { ...disk, open: async (name) => this.held(await disk.open(name)) };
  }

  private held(file: LogFile): LogFile {
    return {
      write: async (bytes, offset) => {
        if (this.isHolding) await new Promise<void>((resolve) => this.asked.push(resolve));
        await file.write(bytes, offset);
      },
      resize: (bytes) => file.resize(bytes),
      read: (offset, length) => file.read(offset, length),
      close: () => file.close(),
    };
  }
}

it("an append begins in the call that asks for it, and the next when that is durable", async () => {
  const disk = new CrashingLogDisk(seededRandom(1)).mounted();
  await createLogOn(disk, { term: 0, index: 0 });
  const writes = new HeldWrites();
  const log = await openLogOn(writes.on(disk), {
    path: "log",
    tailBytesMax: 1000,
    segmentBytesMax: 100_000,
    lock: { release: async () => {} },
  });
  const entry = (index: number) => ({ term: 1, index, kind: "normal" as const, data: new Uint8Array(10) });
  writes.isHolding = true;

  const first = log.append({ entries: [entry(1)], hardState: null }, { sync: true });
  expect(writes.asked.length).toBe(1);
  const second = log.append({ entries: [entry(2)], hardState: null }, { sync: true });
  await new Promise((resolve) => setImmediate(resolve));
  expect(writes.asked.length).toBe(1);
  expect(log.lastIndex()).toBe(0);

  writes.asked[0]?.();
  await first;
  expect(log.lastIndex()).toBe(1);
  await new Promise((resolve) => setImmediate(resolve));
  expect(writes.asked.length).toBe(2);
  writes.asked[1]?.();
  await second;
  expect(log.lastIndex()).toBe(2);

  const third = log.append({ entries: [entry(3)], hardState: null }, { sync: true });
  expect(writes.asked.length).toBe(3);
  writes.asked[2]?.();
  await third;
  await log.close();
});
