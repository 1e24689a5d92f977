/** What LevelDB gave as the reason of an error of its JavaScript layer, or the error itself. */
export function causeOf(error: unknown): unknown {
  return field(error, "cause") ?? error;
}

export function errorCode(error: unknown): string | null {
  const code = field(error, "code");
  return typeof code === "string" ? code : null;
}

export function errorText(error: unknown): string {
  const message = field(error, "message");
  return typeof message === "string" ? message : String(error);
}

const SHORTAGE_CODES: readonly (string | null)[] = ["EMFILE", "ENFILE", "ENOSPC"];

/** LevelDB gives the system's reason in words only. */
const SHORTAGE_WORDS = /Too many open files|No space left on device/i;

/** How deep a reason may lie among the causes of causes. */
const CAUSES_MAX = 8;

/** Whether an error, or what caused it, says that there is no space, or no file descriptor, left. */
export function isShortage(error: unknown): boolean {
  let at = error;
  for (let depth = 0; depth < CAUSES_MAX && at !== undefined && at !== null; depth += 1) {
    if (SHORTAGE_CODES.includes(errorCode(at)) || SHORTAGE_WORDS.test(errorText(at))) return true;
    at = field(at, "cause");
  }
  return false;
}

/** Not by instanceof: errors of the platform may come from another realm, as they do under jest. */
function field(error: unknown, name: string): unknown {
  return typeof error === "object" && error !== null ? Reflect.get(error, name) : undefined;
}
