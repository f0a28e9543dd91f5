import type { HaveFrame } from '../wire/peer-frames.js';
import { ChunkSet } from './chunk-set.js';
import type { HaveBook } from './have-book.js';
import type { Link } from './link.js';
import type { PartEntry } from './part-entry.js';
import type { TrackState } from './track-state.js';
import type { Uploader } from './uploader.js';

export interface AnnouncerOptions {
  readonly haves: HaveBook;
  readonly uploader: Uploader;
  peers(): readonly Link[];
  trackOf(number: number): TrackState | undefined;
}

/** HAVE, both ways: who has which part (docs/peer.md, rule 6). */
export class Announcer {
  private waiting: PartEntry[] = [];

  constructor(private readonly o: AnnouncerOptions) {}

  /** A part is complete here: it is announced at the next tick. */
  add(entry: PartEntry): void {
    this.waiting.push(entry);
  }

  /** A neighbour announced what it has of a part: it needs no pushes of what it has whole. */
  heard(link: Link, frame: HaveFrame): void {
    if (frame.chunks === 0) return;
    this.o.haves.note(link.id, frame);
    if (!ChunkSet.from(frame.chunks, frame.bitmap).full) return;
    const { track, msn, index, chunks } = frame;
    this.o.uploader.cancel(link, { track, msn, index, first: 0, count: chunks }, this.o.trackOf(track)?.parts.find(frame));
  }

  /** Tells those that share the track and have not said the same meanwhile. */
  tick(): void {
    const parts = this.waiting;
    this.waiting = [];
    for (const entry of parts) {
      const { track, id, have } = entry;
      const t = this.o.trackOf(track);
      if (t === undefined || have === undefined) continue;
      for (const link of this.o.peers()) {
        const isShared = this.o.uploader.isChild(link.id, track) || t.sources.uses(link.id);
        if (!isShared || this.o.uploader.hasAnnounced(link.id, entry)) continue;
        link.send({ type: 'have', track, ...id, chunks: have.length, bitmap: have.bytes });
      }
    }
  }
}
