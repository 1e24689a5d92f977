import { describe, expect, test } from "@jest/globals";
import { PipelinedAnswer, PipelinedCall, PipelineRequest, PipelineResponse } from "@quorate/proto/kv";
import {
  decodePipelineRequest,
  decodePipelineResponse,
  encodePipelineRequest,
  encodePipelineResponse,
  MalformedFrameError,
  pipelinedAnswerBytes,
  pipelinedCallBytes,
} from "@quorate/proto/pipeline";
import fc from "fast-check";

const uint32 = fc.oneof(fc.constantFrom(0, 1, 127, 128, 16_383, 16_384, 2 ** 32 - 1), fc.nat(2 ** 32 - 1));
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const text = fc.oneof(
  fc.constant(""),
  fc.string({ maxLength: 200 }),
  fc.string({ unit: "binary", maxLength: 20 }),
);
const path = fc.oneof(
  fc.constantFrom(
    "/quorate.kv.v1.KvService/Put",
    "/quorate.kv.v1.KvService/Get",
    "/quorate.kv.v1.KvService/Txn",
  ),
  text,
);

const request: fc.Arbitrary<PipelineRequest> = fc.record({
  calls: fc.array(
    fc.record({
      id: uint32,
      method: path,
      requestId: text,
      deadlineMs: uint32,
      body: bytes,
      traceparent: text,
      forward: text,
      member: text,
      hops: uint32,
    }),
    { maxLength: 5 },
  ),
  cancelled: fc.array(uint32, { maxLength: 5 }),
});

const response: fc.Arbitrary<PipelineResponse> = fc.record({
  answers: fc.array(
    fc.record({ id: uint32, body: bytes, code: uint32, message: text, statusDetails: bytes }),
    {
      maxLength: 5,
    },
  ),
});

const noCall: PipelinedCall = {
  id: 0,
  method: "",
  requestId: "",
  deadlineMs: 0,
  body: Buffer.alloc(0),
  traceparent: "",
  forward: "",
  member: "",
  hops: 0,
};

describe("the frames of a pipeline", () => {
  test("requests are written byte for byte as the generated code writes them", () => {
    fc.assert(
      fc.property(request, (frame) => {
        const generated = Buffer.from(PipelineRequest.encode(frame).finish());
        expect(encodePipelineRequest(frame).equals(generated)).toBe(true);
      }),
    );
  });

  test("requests are read as they were written, by whichever code", () => {
    fc.assert(
      fc.property(request, (frame) => {
        const written = PipelineRequest.encode(frame).finish();
        expect(decodePipelineRequest(written)).toEqual(PipelineRequest.decode(Buffer.from(written)));
      }),
    );
  });

  test("responses are written byte for byte as the generated code writes them", () => {
    fc.assert(
      fc.property(response, (frame) => {
        const generated = Buffer.from(PipelineResponse.encode(frame).finish());
        expect(encodePipelineResponse(frame).equals(generated)).toBe(true);
      }),
    );
  });

  test("responses are read as they were written, by whichever code", () => {
    fc.assert(
      fc.property(response, (frame) => {
        const written = PipelineResponse.encode(frame).finish();
        expect(decodePipelineResponse(written)).toEqual(PipelineResponse.decode(Buffer.from(written)));
      }),
    );
  });

  test("a frame is as large as its calls or answers say together", () => {
    fc.assert(
      fc.property(request, response, ({ calls }, { answers }) => {
        const ofCalls = calls.reduce((sum, call) => sum + pipelinedCallBytes(call), 0);
        expect(encodePipelineRequest({ calls, cancelled: [] })).toHaveLength(ofCalls);
        const ofAnswers = answers.reduce((sum, answer) => sum + pipelinedAnswerBytes(answer), 0);
        expect(encodePipelineResponse({ answers })).toHaveLength(ofAnswers);
      }),
    );
  });

  test("a body views the frame that it came in", () => {
    const frame = encodePipelineRequest({ calls: [{ ...noCall, body: Buffer.of(1, 2, 3) }], cancelled: [] });
    expect(decodePipelineRequest(frame).calls[0]!.body.buffer).toBe(frame.buffer);
  });

  test("fields of a later version are left out, in the frame, in calls and in answers", () => {
    const unknown = Buffer.of(
      0xf8,
      0x7f,
      0x05,
      0xf9,
      0x7f,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      0xfa,
      0x7f,
      1,
      9,
      0xfd,
      0x7f,
      1,
      2,
      3,
      4,
    );
    const inside = Buffer.concat([unknown, PipelinedCall.encode({ ...noCall, id: 7 }).finish(), unknown]);
    const call = Buffer.concat([unknown, Buffer.of(0x0a, inside.length), inside, unknown]);
    expect(decodePipelineRequest(call)).toEqual({ calls: [{ ...noCall, id: 7 }], cancelled: [] });
    const noAnswer = { id: 3, body: Buffer.alloc(0), code: 0, message: "", statusDetails: Buffer.alloc(0) };
    const within = Buffer.concat([PipelinedAnswer.encode(noAnswer).finish(), unknown]);
    const answer = Buffer.concat([Buffer.of(0x0a, within.length), within, unknown]);
    expect(decodePipelineResponse(answer)).toEqual({ answers: [noAnswer] });
  });

  test("ids that are not packed are read too", () => {
    expect(decodePipelineRequest(Buffer.of(0x10, 3, 0x10, 0x80, 0x01))).toEqual({
      calls: [],
      cancelled: [3, 128],
    });
  });

  test.each([
    ["a message that is cut off", [0x0a, 5, 0x08, 1]],
    ["a field that leaves its message", [0x0a, 2, 0x2a, 5, 1, 2, 3, 4, 5]],
    ["a number that is cut off", [0x0a, 2, 0x08, 0x80]],
    ["a number without an end", [0x10, ...new Array(11).fill(0x80), 0]],
    ["a group", [0x0b, 0x0c]],
    ["a wire type that there is none of", [0x0f]],
    ["a field of the number 0", [0x00, 1]],
    ["eight bytes that are cut off", [0x79, 1, 2]],
    ["four bytes that are cut off", [0x7d, 1, 2]],
  ])("%s is no frame", (_, content) => {
    expect(() => decodePipelineRequest(Buffer.from(content))).toThrow(MalformedFrameError);
    expect(() => decodePipelineResponse(Buffer.from(content))).toThrow(MalformedFrameError);
  });

  test("whatever bytes come, they are read or they are no frame", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (content) => {
        for (const decode of [decodePipelineRequest, decodePipelineResponse]) {
          try {
            decode(content);
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedFrameError);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("more methods than are remembered are read all the same", () => {
    const calls = Array.from({ length: 1000 }, (_, n) => ({
      ...noCall,
      method: `/made.up.Service/Method${n}`,
    }));
    const frame = encodePipelineRequest({ calls, cancelled: [] });
    expect(decodePipelineRequest(frame).calls.map(({ method }) => method)).toEqual(
      calls.map(({ method }) => method),
    );
    expect(decodePipelineRequest(frame).calls).toEqual(PipelineRequest.decode(frame).calls);
  });
});
