import type { Log } from "#forward";
import type { LogLevel } from "#rpc";

/** A structured log whose level can be set while it is used; pino's loggers are ones. */
export interface LeveledLog extends Log {
  level: LogLevel;
}

/** A log that may have no level of its own, or one by another name: what is set then has no effect on it. */
export function leveled(log: Log & { level?: string }, configured: LogLevel): LeveledLog {
  let known = configured;
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    get level() {
      return known;
    },
    set level(level) {
      known = level;
      if (log.level !== undefined) log.level = level;
    },
  };
}
