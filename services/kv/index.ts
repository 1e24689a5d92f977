export { DEFAULT_LIMITS, type Limits, SESSION_WINDOW_MAX } from "./limits";
export type { StoredRecord } from "./record";
export {
  type Change,
  type ChangeOrigin,
  DEFAULT_NAMESPACE,
  INITIAL_STATE,
  type MemberStore,
  type NamespaceState,
  type ResidentState,
  type SessionAnswer,
  type SessionState,
  type StateMeta,
  type StateWrites,
} from "./state";
export type { KeyRead, RangeRead, StateReads, StateView } from "./view";
