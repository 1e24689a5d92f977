import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { formatHistory, HistoryFault, parseHistory } from "./history-file";
import { simulatedHistory } from "./simulated-history";

const put =
  '{"client":"c1","op":"put","key":"k","args":{"value":"x"},"result":{},"status":"ok","invoke":"10","return":"20"}';
const get =
  '{"client":"c1","op":"get","key":"k","args":{},"result":{"value":"x","rev":3},"status":"ok","invoke":"21","return":"22"}';

describe("a history file", () => {
  it("is read as it was written", () => {
    fc.assert(
      fc.property(fc.nat(), fc.boolean(), (seed, hasRevisions) => {
        const records = simulatedHistory({
          seed,
          operations: ["get", "put", "delete", "cas", "incr", "append"],
          count: 50,
          clients: 4,
          keys: 3,
          hasRevisions,
        });
        expect(parseHistory(formatHistory(records))).toEqual(records);
      }),
      { numRuns: 30 },
    );
  });

  it("has one line an operation, in the order of the fields of the contract", () => {
    expect(formatHistory(parseHistory(`${put}\n${get}\n`))).toBe(`${put}\n${get}\n`);
    expect(parseHistory(`${put}\n${get}`)).toHaveLength(2);
    expect(parseHistory("")).toEqual([]);
  });

  it.each([
    ["{", "line 2: not JSON: "],
    ["[]", "line 2: must be a JSON object"],
    ["", "line 2: the line is empty"],
    [get.replace('"c1"', '""'), 'line 2: field "client": must be a string that is not empty'],
    [
      get.replace('"get"', '"read"'),
      'line 2: field "op": must be one of get, put, delete, cas, incr, append',
    ],
    [get.replace('"get"', '"toString"'), 'line 2: field "op": must be one of'],
    [get.replace('"k"', "7"), 'line 2: field "key": must be a string'],
    [get.replace('"key":"k",', ""), 'line 2: field "key": is missing'],
    [get.replace('"args":{}', '"args":{"value":"x"}'), 'line 2: field "args.value": there is no such field'],
    [get.replace('"args":{},', ""), 'line 2: field "args": is missing'],
    [put.replace('{"value":"x"}', "{}"), 'line 2: field "args.value": is missing'],
    [put.replace('{"value":"x"}', '{"value":null}'), 'line 2: field "args.value": must be a string'],
    [get.replace('"rev"', '"revision"'), 'line 2: field "result.revision": there is no such field'],
    [get.replace("3", "-3"), 'line 2: field "result.rev": must be a whole number of at least 0'],
    [get.replace('"x"', "null"), 'line 2: field "result.rev": must be 0 or left out'],
    [get.replace('{"value":"x","rev":3}', "null"), 'line 2: field "result": must be an object'],
    [get.replace('"ok"', '"done"'), 'line 2: field "status": must be ok, fail or unknown'],
    [get.replace('"ok"', '"fail"'), 'line 2: field "result": must be null when the status is fail'],
    [get.replace('"21"', "21"), 'line 2: field "invoke": must be nanoseconds as a decimal string'],
    [get.replace('"22"', '"20"'), 'line 2: field "return": is before invoke'],
    [get.replace(',"return":"22"', ""), 'line 2: field "return": is missing'],
    [get.replace('"return"', '"retrun"'), 'line 2: field "retrun": there is no such field'],
    [get.replace('"21"', '"19"'), 'line 2: field "invoke": "c1" runs one operation at a time'],
    [
      get.replace(/"result":.*"status":"ok"/, '"result":null,"status":"unknown"'),
      'line 2: field "return": must be left out when the status is unknown',
    ],
    [
      '{"client":"c1","op":"incr","key":"k","args":{"by":9007199254740993},"result":null,"status":"fail","invoke":"30","return":"31"}',
      'line 2: field "args.by": must be a whole number between',
    ],
  ])("is refused by line and field: %s", (line, message) => {
    expect(() => parseHistory(`${put}\n${line}\n`)).toThrow(message);
  });

  it("wants a new name after an unknown outcome", () => {
    const lost = put.replace(',"return":"20"', "").replace('{},"status":"ok"', 'null,"status":"unknown"');
    expect(() => parseHistory(`${lost}\n${get}\n`)).toThrow(
      'line 2: field "client": "c1" must go on under a new name after the unknown outcome on line 1',
    );
    expect(parseHistory(`${lost}\n${get.replace("c1", "c1.1")}\n`)).toHaveLength(2);
  });

  it("tells line and field to programs too", () => {
    const problem = (() => {
      try {
        return parseHistory(get.replace('"k"', "7"));
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(problem).toBeInstanceOf(HistoryFault);
    expect(problem).toMatchObject({ line: 1, field: "key" });
  });
});
