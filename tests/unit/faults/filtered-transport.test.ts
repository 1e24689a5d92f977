import { beforeEach, describe, expect, it } from "@jest/globals";
import { delay, FilteredTransport, first, Interference } from "@quorate/services/faults";
import type { Message } from "@quorate/services/raft";
import { seededRandom } from "@quorate/services/std";
import { numbered } from "./messages";
import { VirtualTimers } from "./virtual-timers";

describe("a transport behind filters", () => {
  let timers: VirtualTimers;
  let interference: Interference;
  let transport: FilteredTransport;
  let sent: (readonly Message[])[];

  beforeEach(() => {
    timers = new VirtualTimers();
    interference = new Interference({ timers, random: seededRandom(1) });
    sent = [];
    transport = new FilteredTransport({ send: (messages) => sent.push(messages) }, interference);
  });

  it("passes on at once and in one piece what nothing delays", () => {
    transport.send(numbered(3));
    expect(sent).toEqual([numbered(3)]);
  });

  it("J1: sends later what a filter delays, and the rest at once", () => {
    interference.add(first(1, delay(10)));
    transport.send(numbered(3));
    expect(sent).toEqual([numbered(3).slice(1)]);
    timers.advance(10);
    expect(sent).toEqual([numbered(3).slice(1), numbered(1)]);
  });

  it.each([
    ["partition", () => interference.partition(["n1"], ["n2"])],
    ["isolate", () => interference.isolate("n1")],
    ["cut", () => interference.cut({ from: "n1", to: "n2" })],
  ])("J1: %s keeps away what is sent and what is still delayed, until healed", (_, cut) => {
    const takeAway = interference.add(delay(10));
    transport.send(numbered(1));
    cut();
    transport.send(numbered(1));
    timers.advance(10);
    takeAway();
    transport.send(numbered(1));
    expect(sent).toEqual([]);
    interference.heal();
    transport.send(numbered(2));
    expect(sent).toEqual([numbered(2)]);
  });

  it("mends one direction", () => {
    interference.cut({ from: "n1", to: "n2" });
    interference.mend({ from: "n1", to: "n2" });
    transport.send(numbered(1));
    expect(sent).toHaveLength(1);
  });
});
