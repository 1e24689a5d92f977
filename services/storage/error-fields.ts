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

/** Not by instanceof: errors of the platform may come from another realm, as they do under jest. */
function field(error: unknown, name: string): unknown {
  return typeof error === "object" && error !== null ? Reflect.get(error, name) : undefined;
}
