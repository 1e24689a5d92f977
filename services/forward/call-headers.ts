import { FORWARD_KEY, HOPS_KEY, hopsOf, MEMBER_KEY, REQUEST_ID_KEY, TRACEPARENT_KEY } from "./routing";

/** What routing needs of a call beside its body, in whichever way it came. A text that is empty says nothing. */
export interface CallHeaders {
  /** As REQUEST_ID_KEY has it. */
  readonly requestId: string;
  /** As FORWARD_KEY has it. */
  readonly forward: string;
  /** The member that the call is for. */
  readonly member: string;
  /** How often the call was forwarded. */
  readonly hops: number;
  /** As W3C Trace Context has it. */
  readonly traceparent: string;
}

/** Of a call that says nothing. */
export const NO_HEADERS: CallHeaders = { requestId: "", forward: "", member: "", hops: 0, traceparent: "" };

const EMPTY_REQUEST_ID = "(empty)";

/** Where a call by itself says it. */
export interface HeaderSource {
  /** The text under a key in lower case, or null where it is not there. */
  header(name: string): string | null;
}

/** Of a call by itself: looked up when they are asked for, which few are. */
export class LazyHeaders implements CallHeaders {
  private readonly source: HeaderSource;

  constructor(source: HeaderSource) {
    this.source = source;
  }

  get requestId(): string {
    const text = this.source.header(REQUEST_ID_KEY);
    // Who sends the key without an id believes to be safe: that is refused like any other id that is none.
    return text === "" ? EMPTY_REQUEST_ID : (text ?? "");
  }

  get forward(): string {
    return this.source.header(FORWARD_KEY) ?? "";
  }

  get member(): string {
    return this.source.header(MEMBER_KEY) ?? "";
  }

  get hops(): number {
    return hopsOf(this.source.header(HOPS_KEY));
  }

  get traceparent(): string {
    return this.source.header(TRACEPARENT_KEY) ?? "";
  }
}
