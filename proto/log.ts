export {
  Answer,
  AnswerRecord,
  Done,
  Refusal,
  Refused,
} from "./gen/quorate/log/v1/answer";
export {
  Append,
  CloseSession,
  Command,
  CreateNamespace,
  Delete,
  DeleteRange,
  Increment,
  OpenSession,
  Put,
  RecordStore,
  RequestId,
  Tick,
  Truncate,
} from "./gen/quorate/log/v1/command";
