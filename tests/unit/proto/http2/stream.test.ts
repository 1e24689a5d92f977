import { beforeEach, describe, expect, it } from "@jest/globals";
import { Stream } from "../../../../proto/http2/stream";

const NO_BYTES = Buffer.alloc(0);

let told: string[];
/** What is held, as it was told. */
let held: number;
/** What the connection was told of. */
let said: string[];
let stream: Stream;
let onData: (text: string) => void;

beforeEach(() => {
  told = [];
  said = [];
  held = 0;
  onData = () => {};
  stream = new Stream(
    1,
    {
      sendHeaders: () => {},
      sendData: () => said.push("data"),
      sendEnd: () => said.push("end"),
      reset: () => said.push("reset"),
      credit: (_, bytes) => said.push(`credit ${bytes}`),
      hasRoom: () => true,
    },
    1000,
    1000,
  );
  stream.listener = {
    onData: (bytes) => {
      told.push(bytes.toString());
      onData(bytes.toString());
    },
    onHeld: (bytes) => {
      held += bytes;
    },
    onEnd: () => told.push("the end"),
    onDrained: () => {},
    onClosed: () => told.push("closed"),
  };
});

function take(text: string, isLast = false): void {
  stream.take(Buffer.from(text), isLast);
}

/** When what was put off until what goes on is over has come to pass. */
const over = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("what comes of a stream", () => {
  it("is told in its order where more comes after it goes on and before it is told what was held", async () => {
    stream.pause();
    take("a");
    stream.resume();
    take("b", true);
    expect(told).toEqual([]);
    await over();
    expect(told.join("")).toBe("abthe end");
    expect(held).toBe(0);
  });

  it("is held again where whoever is told what was held pauses it anew", async () => {
    stream.pause();
    take("a".repeat(5000));
    take("b".repeat(5000));
    onData = () => stream.pause();
    stream.resume();
    take("c", true);
    await over();
    expect([told, held]).toEqual([["a".repeat(5000)], 5001]);
    onData = () => {};
    stream.resume();
    await over();
    expect(told.slice(1).join("")).toBe(`${"b".repeat(5000)}cthe end`);
    expect([held, said]).toEqual([0, ["credit 5000", "credit 5000", "credit 1"]]);
  });

  it("is at its end only when it goes on, though nothing of it is held", async () => {
    stream.pause();
    stream.take(NO_BYTES, true);
    expect(told).toEqual([]);
    stream.resume();
    await over();
    expect(told).toEqual(["the end"]);
  });

  it("is at its end only when it goes on where whoever is told of the last of it pauses it", async () => {
    onData = () => stream.pause();
    take("a", true);
    await over();
    expect(told).toEqual(["a"]);
    stream.resume();
    await over();
    expect(told).toEqual(["a", "the end"]);
  });

  it("is told no more once it is closed, whatever of it is held", async () => {
    stream.pause();
    take("a", true);
    stream.resume();
    stream.close(8);
    await over();
    expect([told, said]).toEqual([["closed"], []]);
  });

  it("is told no more where whoever is told of it has it closed", async () => {
    stream.pause();
    take("a".repeat(5000));
    take("b".repeat(5000), true);
    onData = () => stream.close(8);
    stream.resume();
    await over();
    expect(told).toEqual(["a".repeat(5000), "closed"]);
  });
});

describe("what is said on a stream", () => {
  it.each<[string, () => void]>([
    ["ended", () => stream.end([])],
    ["closed", () => stream.close(null)],
    ["retired", () => stream.retire()],
  ])("counts as taken where it has %s before, but not in the call that says it", async (_, end) => {
    end();
    let taken = 0;
    said = [];
    expect(stream.write(NO_BYTES, Buffer.of(1), () => (taken += 1))).toBe(false);
    expect([taken, said]).toEqual([0, []]);
    await over();
    expect(taken).toBe(1);
  });

  it("ends once, with what was said of its end first", () => {
    stream.end([["grpc-status", "1"]]);
    stream.end([["grpc-status", "2"]]);
    expect([said, stream.trailers]).toEqual([["end"], [["grpc-status", "1"]]]);
  });
});
