/** A backup file that must not be restored. */
export class BackupDamaged extends Error {
  /** `unknown_version`: a newer version of the software wrote it. */
  readonly kind: "not_a_backup" | "unknown_version" | "damaged";
  /** Where in the file it shows, in bytes. */
  readonly offset: number;

  constructor(kind: BackupDamaged["kind"], offset: number, what: string) {
    super(what);
    this.name = "BackupDamaged";
    this.kind = kind;
    this.offset = offset;
  }
}
