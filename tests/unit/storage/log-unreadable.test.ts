import { expect, test } from "@jest/globals";
import { seededRandom } from "@quorate/services/std";
import { createLogOn, type LogDisk, openLogOn } from "@quorate/services/storage";
import { CrashingLogDisk } from "./crashing-log-disk";

async function diskWithLog(): Promise<LogDisk> {
  const disk = new CrashingLogDisk(seededRandom(1)).mounted();
  await createLogOn(disk, { term: 0, index: 0 });
  return disk;
}

function open(disk: LogDisk): Promise<unknown> {
  return openLogOn(disk, {
    path: "log",
    tailBytesMax: 1000,
    segmentBytesMax: 1000,
    lock: { release: async () => {} },
  });
}

function failing(code: string): () => Promise<never> {
  return () => Promise.reject(Object.assign(new Error(`${code}: not read`), { code }));
}

test.each([
  ["EIO", true],
  ["EBADMSG", true],
  ["EUCLEAN", true],
  ["ENOENT", true],
  ["EMFILE", false],
  ["ENFILE", false],
  ["EACCES", false],
  ["EPERM", false],
  ["ENOMEM", false],
  ["EINTR", false],
])("that a segment is not read for %s says of the data that it is lost: %s", async (code, dataLoss) => {
  const disk = await diskWithLog();
  await expect(open({ ...disk, read: failing(code) })).rejects.toMatchObject({
    name: "StoreFailure",
    dataLoss,
  });
});

test.each([
  ["EIO", true],
  ["EMFILE", false],
])("that the names of the segments are not read for %s says so too: %s", async (code, dataLoss) => {
  const disk = await diskWithLog();
  await expect(open({ ...disk, names: failing(code) })).rejects.toMatchObject({
    name: "StoreFailure",
    dataLoss,
  });
});
