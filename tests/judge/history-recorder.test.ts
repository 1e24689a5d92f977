import { describe, expect, it } from "@jest/globals";
import type { HistoryRecord } from "./history";
import { formatHistory, parseHistory } from "./history-file";
import { HistoryRecorder } from "./history-recorder";

function recording(): { readonly recorder: HistoryRecorder; readonly records: HistoryRecord[] } {
  const records: HistoryRecord[] = [];
  return { recorder: new HistoryRecorder((record) => records.push(record)), records };
}

describe("the recorder", () => {
  it("writes an operation when it has ended", () => {
    const { recorder, records } = recording();
    const put = recorder.invoke("c1", "put", "k", { value: "x" }, 10n);
    const get = recorder.invoke("c2", "get", "k", {}, 11n);
    expect(records).toEqual([]);
    get.ok({ value: "x", rev: 4 }, 15n);
    put.fail(20n);
    expect(records).toEqual([
      {
        client: "c2",
        op: "get",
        key: "k",
        args: {},
        result: { value: "x", rev: 4 },
        status: "ok",
        invoke: "11",
        return: "15",
      },
      {
        client: "c1",
        op: "put",
        key: "k",
        args: { value: "x" },
        result: null,
        status: "fail",
        invoke: "10",
        return: "20",
      },
    ]);
    expect(parseHistory(formatHistory(records))).toEqual(records);
  });

  it("gives a client a new name after each unknown outcome", () => {
    const { recorder, records } = recording();
    recorder.invoke("c3", "delete", "k", {}, 1n).unknown();
    recorder.invoke("c3", "incr", "k", { by: 1 }, 2n).unknown();
    recorder.invoke("c3", "get", "k", {}, 3n).ok({ value: null }, 4n);
    expect(records.map(({ client, status }) => [client, status])).toEqual([
      ["c3", "unknown"],
      ["c3.1", "unknown"],
      ["c3.2", "ok"],
    ]);
    expect(records[0]).not.toHaveProperty("return");
    expect(parseHistory(formatHistory(records))).toEqual(records);
  });

  it("refuses two operations of one client at a time, and two ends of one operation", () => {
    const { recorder } = recording();
    const open = recorder.invoke("c1", "get", "k", {}, 1n);
    expect(() => recorder.invoke("c1", "get", "k", {}, 2n)).toThrow("one operation at a time");
    open.ok({ value: null }, 3n);
    expect(() => open.unknown()).toThrow("ends once");
  });

  it("ends what is open at the close as unknown", () => {
    const { recorder, records } = recording();
    recorder.invoke("c1", "append", "k", { value: "x" }, 1n);
    recorder.close();
    recorder.close();
    expect(records).toMatchObject([{ client: "c1", status: "unknown", result: null }]);
  });
});
