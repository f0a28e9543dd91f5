import type { Clock, Timer } from '../clock.js';
import type { Bytes } from '../wire/bytes.js';
import { encodeChunk, Reason, type ChunkRun } from '../wire/peer-frames.js';
import { chunkLength } from '../wire/part-header.js';
import { sliceOf } from '../wire/slices.js';
import type { Link } from './link.js';
import type { PartEntry } from './part-entry.js';
import { comparePart, type PartId } from './part-id.js';
import type { TrackParts } from './track-parts.js';
import { ChildBook, TokenBucket } from './upload-policy.js';

/** A chunk that waits longer is of no use any more (docs/peer.md, rule 4). */
const USEFUL_MS = 4_000;
/** Most chunks that may wait for one neighbour: four seconds at about 30 Mbit/s. */
const MAX_QUEUE = 1_024;
/** Parts whose header is remembered as sent to a neighbour; more than the window of a few tracks. */
const MAX_HEADERS = 512;

interface Waiting {
  readonly entry: PartEntry;
  readonly chunk: number;
  /** The frame as received, to be passed on without a copy. */
  readonly message: Bytes | undefined;
  readonly until: number;
}

interface Outbox {
  readonly link: Link;
  queue: Waiting[];
  readonly headers: Set<string>;
}

export interface UploaderOptions {
  readonly clock: Clock;
  /** bit/s; 0: never. */
  readonly uplink: number;
  trackOf(number: number): TrackParts | undefined;
}

/** Sends chunks to children and to neighbours that ask: paced by a token bucket and by back-pressure. */
export class Uploader {
  private readonly outboxes = new Map<string, Outbox>();
  private readonly book: ChildBook;
  private readonly bucket: TokenBucket;
  private timer: Timer;
  private isArmed = false;
  private turn = 0;

  constructor(private readonly o: UploaderOptions) {
    this.book = new ChildBook(o.uplink, (number) => o.trackOf(number)?.info);
    this.bucket = new TokenBucket(o.uplink);
  }

  /** Whether the viewer is a child for any slice, of one track or at all. */
  isChild(id: string, track?: number): boolean {
    return this.book.has(id, track);
  }

  subscribe(link: Link, track: number, mask: number, from: PartId, isAllowed: boolean): void {
    const parts = this.o.trackOf(track);
    if (parts === undefined || !isAllowed) {
      this.refuse(link, isAllowed ? Reason.absent : Reason.busy, { track, msn: 0, index: 0, first: 0, count: mask });
      return;
    }
    const start = from.msn === 0 ? parts.after() : from;
    const { added, refused } = this.book.subscribe(link.id, parts.info, mask, start);
    if (refused !== 0) this.refuse(link, Reason.busy, { track, msn: 0, index: 0, first: 0, count: refused });
    if (added !== 0) this.backlog(link, parts, added, start);
    this.pump();
  }

  unsubscribe(link: Link, track: number, mask: number): void {
    this.book.unsubscribe(link.id, track, mask);
    const outbox = this.outboxes.get(link.id);
    if (outbox === undefined) return;
    outbox.queue = outbox.queue.filter((w) => w.entry.track !== track || ((mask >> sliceIndex(w)) & 1) === 0);
  }

  /** Sends the chunks that are held and refuses the rest. */
  request(link: Link, run: ChunkRun, entry: PartEntry | undefined, deadlineMs: number): void {
    const have = entry?.have;
    if (this.o.uplink === 0 || entry === undefined || have === undefined) {
      this.refuse(link, this.o.uplink === 0 ? Reason.busy : Reason.absent, run);
      return;
    }
    const until = this.o.clock.now() + Math.min(deadlineMs, USEFUL_MS);
    let absentFrom = -1;
    for (let i = run.first; i <= run.first + run.count; i++) {
      const isAbsent = i < run.first + run.count && !have.has(i);
      if (isAbsent && absentFrom < 0) absentFrom = i;
      if (!isAbsent && absentFrom >= 0) {
        this.refuse(link, Reason.absent, { ...run, first: absentFrom, count: i - absentFrom });
        absentFrom = -1;
      }
      if (i < run.first + run.count && !isAbsent) this.enqueue(link, { entry, chunk: i, message: undefined, until });
    }
    this.pump();
  }

  cancel(link: Link, run: ChunkRun, entry: PartEntry | undefined): void {
    const outbox = this.outboxes.get(link.id);
    if (outbox === undefined || entry === undefined) return;
    outbox.queue = outbox.queue.filter((w) => w.entry !== entry || w.chunk < run.first || w.chunk >= run.first + run.count);
  }

  /** Passes a verified chunk on to the children of its slice, but not to whom it came from. */
  forward(entry: PartEntry, chunk: number, from: string, message: Bytes | undefined, linkOf: (id: string) => Link | undefined): void {
    if (this.o.uplink === 0 || entry.have === undefined) return;
    const slice = sliceOf(entry.have.length, entry.slices.length, chunk);
    const children = this.book.subscribers(entry.track, entry.id, slice);
    if (children.length === 0) return;
    const until = this.o.clock.now() + USEFUL_MS;
    for (const id of children) {
      const link = id === from ? undefined : linkOf(id);
      if (link !== undefined) this.enqueue(link, { entry, chunk, message, until });
    }
    this.pump();
  }

  /** The neighbour is gone. */
  remove(id: string): void {
    this.book.remove(id);
    this.outboxes.delete(id);
  }

  close(): void {
    this.o.clock.clearTimeout(this.timer);
    for (const id of [...this.outboxes.keys()]) this.remove(id);
  }

  /** Sends what may be sent now, one chunk a neighbour in turn, and sleeps until there are tokens again. */
  pump(): void {
    const now = this.o.clock.now();
    const boxes = [...this.outboxes.values()];
    let idle = 0;
    while (idle < boxes.length) {
      const box = boxes[this.turn++ % boxes.length];
      const next = box === undefined || box.link.isCongested ? undefined : takeUseful(box, now);
      if (box === undefined || next === undefined) {
        idle++;
        continue;
      }
      const size = next.entry.header === undefined ? 0 : chunkLength(next.entry.header, next.chunk);
      if (!this.bucket.take(size, now)) {
        box.queue.unshift(next);
        this.sleep(this.bucket.wait(size, now));
        return;
      }
      idle = 0;
      this.transmit(box, next, size);
    }
  }

  private transmit(box: Outbox, w: Waiting, size: number): void {
    const { entry } = w;
    if (entry.header === undefined) return;
    if (!box.headers.has(entry.key)) {
      if (box.headers.size >= MAX_HEADERS) box.headers.clear();
      box.headers.add(entry.key);
      box.link.send({ type: 'header', raw: entry.header.raw });
    }
    const bytes = w.message === undefined ? entry.chunk(w.chunk) : undefined;
    const message = w.message ?? (bytes && encodeChunk(entry.track, entry.id.msn, entry.id.index, w.chunk, bytes));
    if (message !== undefined) box.link.sendChunk(message, size);
  }

  /** Sends what is already there of the parts that a new child wants. */
  private backlog(link: Link, parts: TrackParts, mask: number, from: PartId): void {
    const until = this.o.clock.now() + USEFUL_MS;
    for (const entry of parts.all) {
      const { have } = entry;
      if (have === undefined || comparePart(entry.id, from) < 0) continue;
      for (let i = 0; i < have.length; i++) {
        if (have.has(i) && ((mask >> sliceOf(have.length, entry.slices.length, i)) & 1) === 1) {
          this.enqueue(link, { entry, chunk: i, message: undefined, until });
        }
      }
    }
  }

  private enqueue(link: Link, w: Waiting): void {
    let box = this.outboxes.get(link.id);
    if (box === undefined || box.link !== link) {
      box = { link, queue: [], headers: new Set() };
      this.outboxes.set(link.id, box);
    }
    if (box.queue.length < MAX_QUEUE) box.queue.push(w);
  }

  private refuse(link: Link, reason: number, run: ChunkRun): void {
    link.send({ ...run, type: 'refuse', reason });
  }

  private sleep(ms: number): void {
    if (this.isArmed || !Number.isFinite(ms)) return;
    this.isArmed = true;
    this.timer = this.o.clock.setTimeout(() => {
      this.isArmed = false;
      this.pump();
    }, Math.max(1, Math.ceil(ms)));
  }
}

function takeUseful(box: Outbox, now: number): Waiting | undefined {
  for (let w = box.queue.shift(); w !== undefined; w = box.queue.shift()) {
    if (now < w.until) return w;
  }
  return undefined;
}

function sliceIndex(w: Waiting): number {
  return sliceOf(w.entry.have?.length ?? 1, w.entry.slices.length, w.chunk);
}
