/** What a namespace may be called, in words. */
export const NAMESPACE_NAME_RULE = "1 to 64 of the characters A-Z, a-z, 0-9, dot, underscore and hyphen";

const NAME = /^[A-Za-z0-9._-]{1,64}$/;

/** What is wrong with the name of a new namespace, in a sentence for people, or null. */
export function namespaceNameFault(name: string): string | null {
  return NAME.test(name) ? null : `name must be ${NAMESPACE_NAME_RULE}`;
}
