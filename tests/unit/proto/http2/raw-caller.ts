import { connect } from "node:net";
import { PREFACE } from "../../grpc/http2-frames";
import { RawEnd, settings } from "./raw-end";

/** A caller that says what it is told to. */
export class RawCaller extends RawEnd {
  constructor(port: number) {
    super(connect(port, "127.0.0.1"));
  }

  /** Says what each connection begins with. @param values pairs of a number of 16 bits and one of 32 */
  begin(values: readonly (readonly [number, number])[] = []): this {
    return this.say(PREFACE, settings(values));
  }
}
