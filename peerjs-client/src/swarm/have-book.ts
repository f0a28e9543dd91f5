import type { HaveFrame } from '../wire/peer-frames.js';
import { ChunkSet } from './chunk-set.js';
import type { PartEntry } from './part-entry.js';
import { partKey } from './part-id.js';
import type { Holder } from './repair-policy.js';

/** Announcements kept a neighbour: the window of a few tracks. */
const MAX_PARTS = 128;

/** What neighbours announced by HAVE, and what is asked of them. */
export class HaveBook {
  private readonly neighbours = new Map<string, { readonly parts: Map<string, ChunkSet>; load: number }>();

  note(id: string, frame: HaveFrame): void {
    let neighbour = this.neighbours.get(id);
    if (neighbour === undefined) this.neighbours.set(id, neighbour = { parts: new Map(), load: 0 });
    const { parts } = neighbour;
    parts.set(partKey(frame.track, frame), ChunkSet.from(frame.chunks, frame.bitmap));
    if (parts.size <= MAX_PARTS) return;
    const oldest = parts.keys().next();
    if (oldest.done !== true) parts.delete(oldest.value);
  }

  /** Neighbours that announced chunks of the part and did not fail it; `isUp` leaves out whom not to ask. */
  holders(entry: PartEntry, isUp: (id: string) => boolean): readonly Holder[] {
    const out: Holder[] = [];
    for (const [id, { parts, load }] of this.neighbours) {
      const has = parts.get(entry.key);
      if (has !== undefined && has.length === entry.have?.length && isUp(id) && !entry.failed.has(id)) out.push({ id, has, load });
    }
    return out;
  }

  /** Chunks were asked of a neighbour (or, negative, came or were given up). */
  load(id: string, chunks: number): void {
    const neighbour = this.neighbours.get(id);
    if (neighbour !== undefined) neighbour.load = Math.max(0, neighbour.load + chunks);
  }

  remove(id: string): void {
    this.neighbours.delete(id);
  }
}
