/** Why a local cluster cannot do what was asked: one line that says what would be right. */
export class LauncherFault extends Error {
  override readonly name = "LauncherFault";
}
