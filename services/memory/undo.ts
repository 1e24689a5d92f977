/** Takes back one step; steps are taken back in the opposite order. */
export type Undo = () => void;

export function put<K, V>(map: Map<K, V>, key: K, value: V): Undo {
  const undo = restore(map, key);
  map.set(key, value);
  return undo;
}

export function remove<K, V>(map: Map<K, V>, key: K): Undo {
  const undo = restore(map, key);
  map.delete(key);
  return undo;
}

function restore<K, V>(map: Map<K, V>, key: K): Undo {
  const before = map.get(key);
  return before === undefined ? () => map.delete(key) : () => map.set(key, before);
}
