import type { Clock, Timer } from '../clock.js';
import type { Bytes } from '../wire/bytes.js';
import { encodeChunk, NO_HEADERS, Reason, type ChunkRun } from '../wire/peer-frames.js';
import { chunkLength } from '../wire/part-header.js';
import { sliceOf } from '../wire/slices.js';
import type { Link } from './link.js';
import type { PartEntry } from './part-entry.js';
import { comparePart, partKey, type PartId } from './part-id.js';
import { Skips } from './skips.js';
import type { TrackParts } from './track-parts.js';
import { ChildBook, TokenBucket } from './upload-policy.js';

/** A chunk that waits longer is of no use any more (docs/peer.md, rule 4). */
const USEFUL_MS = 1_500;
/** Most chunks that may wait for one neighbour: a second and a half at about 80 Mbit/s. */
const MAX_QUEUE = 1_024;
/** So much of what a child is pushed, in ms, may be in its channel, within these bounds: it can be cancelled no more, and delays all that follows. */
const MARK_MS = 500;
const MIN_MARK = 32 << 10;
const MAX_MARK = 256 << 10;
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
  linkOf(id: string): Link | undefined;
}

/** Sends chunks to children and to neighbours that ask: paced by a token bucket and by back-pressure. */
export class Uploader {
  private readonly outboxes = new Map<string, Outbox>();
  private readonly skips = new Map<string, Skips>();
  /** Neighbours that get the headers of tracks from somebody else. */
  private readonly headerless = new Map<string, Set<number>>();
  private readonly book: ChildBook;
  private readonly bucket: TokenBucket;
  private timer: Timer;
  private isArmed = false;
  private turn = 0;

  constructor(private readonly o: UploaderOptions) {
    this.book = new ChildBook(o.uplink, (number) => o.trackOf(number)?.info);
    this.bucket = new TokenBucket(o.uplink);
  }

  /** What may be sent from now on, in bit/s. */
  setUplink(bitsPerSecond: number): void {
    this.book.uplink = bitsPerSecond;
    this.bucket.setRate(bitsPerSecond, this.o.clock.now());
    for (const s of this.book.shed()) {
      const link = this.outboxes.get(s.child)?.link ?? this.o.linkOf(s.child);
      if (link !== undefined) this.refuse(link, Reason.busy, { track: s.track, msn: 0, index: 0, first: 0, count: s.mask });
    }
  }

  /** Children that slice `s` of the track is passed on to. */
  childrenOf(track: number, s: number): number {
    return this.book.childrenOf(track, s);
  }

  /** Whether the viewer is a child for any slice, of one track or at all. */
  isChild(id: string, track?: number): boolean {
    return this.book.has(id, track);
  }

  subscribe(link: Link, track: number, mask: number, from: PartId, isAllowed: boolean, flags = 0): void {
    const parts = this.o.trackOf(track);
    const headerless = this.headerless.get(link.id) ?? new Set();
    this.headerless.set(link.id, headerless);
    if ((flags & NO_HEADERS) === 0) headerless.delete(track);
    else headerless.add(track);
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

  /** The neighbour does not want chunks: neither those that wait for it nor those to come. */
  cancel(link: Link, run: ChunkRun, entry: PartEntry | undefined): void {
    this.skip(link.id, partKey(run.track, run), run.first, run.count);
    const outbox = this.outboxes.get(link.id);
    if (outbox === undefined || entry === undefined) return;
    outbox.queue = outbox.queue.filter((w) => w.entry !== entry || w.chunk < run.first || w.chunk >= run.first + run.count);
  }

  /** Remembers what a neighbour has or does not want. */
  skip(id: string, key: string, first: number, count: number): void {
    let skips = this.skips.get(id);
    if (skips === undefined) this.skips.set(id, skips = new Skips());
    skips.add(key, first, count);
  }

  /** Whether the neighbour announced the whole part. */
  hasAnnounced(id: string, entry: PartEntry): boolean {
    return entry.have !== undefined && this.skips.get(id)?.has(entry.key, 0, entry.have.length) === true;
  }

  /** Sends the header that a neighbour asks for. */
  want(link: Link, entry: PartEntry | undefined): void {
    if (entry?.header === undefined || this.o.uplink === 0) return;
    this.boxOf(link).headers.add(entry.key);
    link.send({ type: 'header', raw: entry.header.raw });
  }

  /** Passes a verified chunk on to the children of its slice, but not to whom it came from. */
  forward(entry: PartEntry, chunk: number, from: string, message: Bytes | undefined, linkOf: (id: string) => Link | undefined): void {
    if (this.o.uplink === 0 || entry.have === undefined) return;
    const slice = sliceOf(entry.have.length, entry.slices.length, chunk);
    const children = this.book.subscribers(entry.track, entry.id, slice);
    if (children.length === 0) return;
    const until = this.o.clock.now() + USEFUL_MS;
    for (const id of children) {
      const link = id === from || this.skips.get(id)?.has(entry.key, chunk, chunk + 1) === true ? undefined : linkOf(id);
      if (link !== undefined) this.enqueue(link, { entry, chunk, message, until });
    }
    this.pump();
  }

  /** The neighbour is gone. */
  remove(id: string): void {
    this.book.remove(id);
    this.outboxes.delete(id);
    this.skips.delete(id);
    this.headerless.delete(id);
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
      const box = boxes[this.turn % boxes.length];
      while (box?.queue[0] !== undefined && now >= box.queue[0].until) box.queue.shift();
      const next = box === undefined || this.isFull(box) ? undefined : takeUseful(box, now);
      if (box === undefined || next === undefined) {
        idle++;
        this.turn++;
        continue;
      }
      const size = next.entry.header === undefined ? 0 : chunkLength(next.entry.header, next.chunk);
      if (!this.bucket.take(size, now)) {
        box.queue.unshift(next); // it is still its turn
        this.sleep(this.bucket.wait(size, now));
        return;
      }
      idle = 0;
      this.turn++;
      this.transmit(box, next, size);
    }
  }

  /** Whether the channel holds as much as it should. */
  private isFull(box: Outbox): boolean {
    const mark = Math.min(Math.max((this.book.committed(box.link.id) / 8_000) * MARK_MS, MIN_MARK), MAX_MARK);
    return box.link.isCongested || box.link.bufferedBytes > mark;
  }

  private boxOf(link: Link): Outbox {
    let box = this.outboxes.get(link.id);
    if (box === undefined || box.link !== link) {
      box = { link, queue: [], headers: new Set() };
      this.outboxes.set(link.id, box);
    }
    return box;
  }

  private transmit(box: Outbox, w: Waiting, size: number): void {
    const { entry } = w;
    if (entry.header === undefined) return;
    const isDue = entry.isHeaderLate || this.headerless.get(box.link.id)?.has(entry.track) !== true;
    if (isDue && !box.headers.has(entry.key)) {
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
        const isSkipped = this.skips.get(link.id)?.has(entry.key, i, i + 1) === true;
        if (have.has(i) && !isSkipped && ((mask >> sliceOf(have.length, entry.slices.length, i)) & 1) === 1) {
          this.enqueue(link, { entry, chunk: i, message: undefined, until });
        }
      }
    }
  }

  private enqueue(link: Link, w: Waiting): void {
    const box = this.boxOf(link);
    if (box.queue.length >= MAX_QUEUE) return;
    let at = box.queue.length; // older parts are due first
    for (let before = box.queue[at - 1]; before !== undefined && comparePart(w.entry.id, before.entry.id) < 0; before = box.queue[at - 1]) at--;
    box.queue.splice(at, 0, w);
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
