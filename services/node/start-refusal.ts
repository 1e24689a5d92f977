/** Why a node does not start: the setting that it is about, and what would be right. */
export interface StartRefusal {
  readonly kind: "refused";
  readonly setting: string;
  /** One line. */
  readonly message: string;
  /** The cluster has removed this member: starting it again never helps. */
  readonly isRemoval?: true;
}

export function startRefusal(setting: string, message: string): StartRefusal {
  return { kind: "refused", setting, message };
}

export function removedRefusal({ path }: { readonly path: string }): StartRefusal {
  const refusal = dataRefusal(
    `${path} is that of a member that was removed from the cluster: to come back it joins with an empty one, quorate-node --join`,
  );
  return { ...refusal, isRemoval: true };
}

export function dataRefusal(message: string): StartRefusal {
  return startRefusal("data-dir", message);
}
