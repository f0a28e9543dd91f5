/** Bounds of what a neighbour may make us remember. */
const MAX_PARTS = 64;
const MAX_SPANS = 32;

/** What a neighbour has, or does not want: it is not pushed to it (docs/repair.md, rule 13). */
export class Skips {
  private readonly parts = new Map<string, { first: number; end: number }[]>();

  /** Remembers chunks [first, first + count) of the part. */
  add(key: string, first: number, count: number): void {
    if (count <= 0 || this.has(key, first, first + count)) return;
    let spans = this.parts.get(key);
    if (spans === undefined) {
      if (this.parts.size === MAX_PARTS) {
        const oldest = this.parts.keys().next();
        if (oldest.done !== true) this.parts.delete(oldest.value);
      }
      this.parts.set(key, spans = []);
    }
    const last = spans.at(-1);
    if (last?.end === first) last.end = first + count;
    else if (spans.length < MAX_SPANS) spans.push({ first, end: first + count });
  }

  /** Whether one span holds all of [first, end). */
  has(key: string, first: number, end: number): boolean {
    return this.parts.get(key)?.some((s) => s.first <= first && end <= s.end) === true;
  }
}
