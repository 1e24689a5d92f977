import { type Random, seededRandom } from "@quorate/services/std";

/** An independent generator for each name, whatever the others draw. */
export class NamedChance {
  private readonly generators = new Map<string, Random>();

  constructor(private readonly seed: number) {}

  of(name: string): Random {
    let generator = this.generators.get(name);
    if (generator === undefined) {
      generator = seededRandom(seedOf(this.seed, name));
      this.generators.set(name, generator);
    }
    return generator;
  }
}

/** FNV-1a over the name, begun from the seed: who asks for another name gets another generator. */
function seedOf(seed: number, name: string): number {
  let hash = Math.imul(seed ^ 0x811c9dc5, 0x01000193);
  for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
