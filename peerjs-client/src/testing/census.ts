/** What hangs on an object, by the path that leads to it; places in a collection count as one path. */
export interface Census {
  /** Elements of maps, sets and arrays by path, all collections of the path together. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Objects of any kind. */
  readonly objects: number;
  /** Bytes of array buffers, each buffer once. */
  readonly bytes: number;
}

/**
 * Counts all that can be reached from `root` by properties and collections,
 * without what hangs on `outside`. What only closures hold is not seen.
 */
export function census(root: object, outside: Iterable<object>): Census {
  const seen = new Set<object>(outside);
  const sizes = new Map<string, number>();
  const queue: { readonly value: object; readonly path: string }[] = [];
  let objects = 0;
  let bytes = 0;
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    queue.push({ value, path });
  };
  const count = (path: string, n: number): void => void sizes.set(path, (sizes.get(path) ?? 0) + n);
  visit(root, '');
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const { value, path } = next;
    objects++;
    if (value instanceof ArrayBuffer) {
      bytes += value.byteLength;
    } else if (ArrayBuffer.isView(value)) {
      visit(value.buffer, path);
    } else if (value instanceof Map) {
      count(path, value.size);
      for (const [key, element] of value) {
        visit(key, `${path}{}`);
        visit(element, `${path}{}`);
      }
    } else if (value instanceof Set || Array.isArray(value)) {
      count(path, value instanceof Set ? value.size : value.length);
      for (const element of value) visit(element, `${path}[]`);
    } else {
      for (const key of Object.getOwnPropertyNames(value)) {
        const own = Object.getOwnPropertyDescriptor(value, key);
        if (own !== undefined && 'value' in own) visit(own.value, `${path}.${key}`);
      }
    }
  }
  return { sizes, objects, bytes };
}

/** The largest of several counts, path by path: what a steady state reaches. */
export function largest(counts: readonly Census[]): Census {
  const sizes = new Map<string, number>();
  for (const c of counts) {
    for (const [path, n] of c.sizes) sizes.set(path, Math.max(n, sizes.get(path) ?? 0));
  }
  return { sizes, objects: Math.max(...counts.map((c) => c.objects)), bytes: Math.max(...counts.map((c) => c.bytes)) };
}

/** Paths that hold more `after` than `before`, by more than `slack` elements, with both numbers. */
export function grown(before: Census, after: Census, slack: number): Readonly<Record<string, readonly [before: number, after: number]>> {
  const out: Record<string, readonly [number, number]> = {};
  for (const [path, n] of after.sizes) {
    const was = before.sizes.get(path) ?? 0;
    if (n > was + slack) out[path] = [was, n];
  }
  return out;
}
