// Loaded into each node and gateway that the launcher starts (node --require): when the launcher is gone, however it
// ended, the process gets the SIGTERM that the launcher can no longer send.

const OWNER_CHECK_MS = 500;

/** How long a process may take to stop by itself. */
const STOP_MS_MAX = 15_000;

function leave(): void {
  process.kill(process.pid, "SIGTERM");
  setTimeout(() => process.exit(1), STOP_MS_MAX).unref();
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

const ownerPid = Number(process.env.QUORATE_OWNER_PID ?? "");
if (process.channel !== undefined) {
  process.once("disconnect", leave);
  // Listening must not keep a process alive that has nothing else to do.
  process.channel.unref();
} else if (ownerPid > 0) {
  const check = setInterval(() => {
    if (!isGone(ownerPid)) return;
    clearInterval(check);
    leave();
  }, OWNER_CHECK_MS);
  check.unref();
}
