import { expect, test } from "@jest/globals";
import { type FrozenState, OutgoingImages } from "@quorate/services/replica";

/** Frozen states that note whether they were closed. */
function states(...indexes: number[]) {
  const closed: number[] = [];
  const next = indexes.values();
  const freeze = (): FrozenState => {
    const index = next.next().value as number;
    const header = { format: "f", applied: { term: 1, index }, revision: index };
    const none = async function* (): AsyncGenerator<never> {};
    return { header, chunks: none, scan: none, close: () => closed.push(index) };
  };
  return { state: { freeze }, closed };
}

const OPTIONS = { imagesMax: 2, idleTicksMax: 3, firstId: 10 };

test("each image has a name of its own, and there are only so many at a time", () => {
  const { state, closed } = states(5, 3, 9);
  const images = new OutgoingImages(state, OPTIONS);
  expect(images.pinnedIndex).toBeNull();
  expect(images.open()).toMatchObject({ imageId: 10 });
  expect(images.open()).toMatchObject({ imageId: 11 });
  expect(images.open()).toBe("too_many");
  expect(images.pinnedIndex).toBe(3);
  images.release(11);
  images.release(11);
  expect(closed).toEqual([3]);
  expect(images.pinnedIndex).toBe(5);
  expect(images.open()).toMatchObject({ imageId: 12 });
});

test("F4: the log behind one that was sent is kept for a while: its receiver has still to install it", () => {
  const { state, closed } = states(5);
  const images = new OutgoingImages(state, OPTIONS);
  images.open();
  images.sent(10);
  images.sent(10);
  expect(closed).toEqual([5]);
  expect(images.count).toBe(0);
  for (let tick = 0; tick < 3; tick += 1) {
    expect(images.pinnedIndex).toBe(5);
    images.tick();
  }
  expect(images.pinnedIndex).toBeNull();
});

test("F3: one that broke off can be gone on with, until nobody has taken anything of it for a while", () => {
  const { state, closed } = states(5, 6);
  const images = new OutgoingImages(state, OPTIONS);
  images.open();
  for (let tick = 0; tick < 3; tick += 1) images.tick();
  expect(images.resume(10)).toMatchObject({ imageId: 10 });
  expect(images.resume(99)).toBeNull();
  for (let tick = 0; tick < 3; tick += 1) images.tick();
  images.touch(10);
  for (let tick = 0; tick < 3; tick += 1) images.tick();
  expect(closed).toEqual([]);
  images.tick();
  expect(closed).toEqual([5]);
  expect(images.resume(10)).toBeNull();
  images.open();
  images.releaseAll();
  expect(closed).toEqual([5, 6]);
  expect(images.count).toBe(0);
});
