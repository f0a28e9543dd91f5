import type { Bytes } from '../wire/bytes.js';
import { chunkRange, type PartHeader } from '../wire/part-header.js';
import { EDGE_ID, type ChunkFrame, type Frame } from '../wire/peer-frames.js';
import { sliceOf } from '../wire/slices.js';
import { Announcer } from './announcer.js';
import type { CatalogTrack } from './catalog.js';
import { EdgeFetch, HttpRate } from './edge-fetch.js';
import type { LoadOptions, LoadResult, RequestTiming } from './engine-types.js';
import { HaveBook } from './have-book.js';
import type { Link } from './link.js';
import { Loader } from './loader.js';
import type { MediaPlaneOptions } from './media-plane-options.js';
import type { PartEntry } from './part-entry.js';
import { NEXT_PART, type PartId } from './part-id.js';
import { Receiver, type Sender } from './receiver.js';
import { Repairer } from './repairer.js';
import type { TrackAssignment } from '../tracker/messages.js';
import { Reputation } from './reputation.js';
import { mergeCommands } from './source-commands.js';
import { SwarmHealth } from './swarm-health.js';
import { TrackState } from './track-state.js';
import { Uploader } from './uploader.js';

/** Repairs begin for parts seen this lately; older ones are only kept. */
const RECENT_MS = 4_000;
/** The least slack assumed for a part that the player has not asked for yet. */
const MIN_SLACK_MS = 500;

/** Parts in and out: receives, verifies, stores, forwards, repairs and hands over. */
export class MediaPlane {
  readonly haves = new HaveBook();
  readonly loader: Loader;
  readonly repairer: Repairer;
  readonly uploader: Uploader;
  private readonly rate = new HttpRate();
  private readonly reputation = new Reputation();
  private readonly receiver: Receiver;
  private readonly tracks = new Map<number, TrackState>();
  private readonly health: SwarmHealth;
  private readonly announcer: Announcer;
  /** Parts that the player fetched before their header was there: they serve the children once it is. */
  private readonly provided = new Map<PartEntry, Bytes>();
  private bufferMs = 0;
  /** The tracker's latest word. */
  private assigned: readonly TrackAssignment[] = [];

  constructor(private readonly o: MediaPlaneOptions) {
    const { clock, counters, links } = o;
    this.health = new SwarmHealth({
      seed: o.seed, reputation: this.reputation, peers: () => links.readyPeers(), sources: () => this.active.map((t) => t.sources),
      partMs: () => o.partMs(), onSlow: (id) => o.onSlow(id),
    });
    this.receiver = new Receiver({
      clock, counters, stream: o.stream, partMs: () => o.partMs(), verifier: () => o.verifier(), trackOf: (n) => this.tracks.get(n)?.parts,
      events: {
        onHeader: (entry, sender) => this.headed(entry, sender),
        onWant: (id, track, part) => links.link(id)?.send({ type: 'want', track, msn: part.msn, index: part.index }),
        onChunk: (entry, chunk, sender, isFresh, message) => this.arrived(entry, chunk, sender, isFresh, message),
        onBad: (sender, origin, chunk) => this.bad(sender, origin, chunk),
      },
    });
    this.repairer = new Repairer({
      clock, counters, haves: this.haves, receiver: this.receiver, edge: new EdgeFetch({ clock, fetch: o.fetch, rate: this.rate }),
      partUrl: (entry) => o.partUrl(this.tracks.get(entry.track)?.info.name ?? '', entry.id),
      linkOf: (id) => links.link(id), isUp: (id) => links.isUp(id) && !this.health.isMute(id), onHopeless: (entry) => this.loader.giveUp(entry),
      reputation: this.reputation, strain: this.health.strain, sourcesOf: (entry) => this.tracks.get(entry.track)?.sources,
    });
    this.uploader = new Uploader({ clock, uplink: o.uplink, trackOf: (n) => this.tracks.get(n)?.parts, linkOf: (id) => links.link(id) });
    this.announcer = new Announcer({ haves: this.haves, uploader: this.uploader, peers: () => links.readyPeers(), trackOf: (n) => this.tracks.get(n) });
    this.loader = new Loader({
      clock, counters, rate: this.rate, hasSign: (entry) => this.receiver.hasSign(entry.track, entry.id),
      fetchMissing: (entry) => this.repairer.fetchMissing(entry), onLeft: (entry) => this.repairer.drop(entry),
    });
  }

  /** Tracks with a subscription or wanted one. */
  get active(): readonly TrackState[] {
    return [...this.tracks.values()].filter((t) => t.isActive);
  }

  get heldBytes(): number {
    return [...this.tracks.values()].reduce((sum, t) => sum + t.parts.bytes, 0);
  }

  get heldParts(): number {
    return [...this.tracks.values()].reduce((sum, t) => sum + t.parts.all.length, 0);
  }

  setTracks(wanted: readonly CatalogTrack[], now: number): void {
    for (const info of wanted) {
      const known = this.tracks.get(info.number);
      if (known?.isActive === true) known.want();
      else if (known === undefined || known.info.slices === info.slices) this.begin(info, known, now);
    }
    for (const t of this.tracks.values()) {
      if (!wanted.some((info) => info.number === t.info.number)) t.leave(now, !this.o.hasTracker());
    }
    this.settle(now);
  }

  setBuffer(ms: number): void {
    this.bufferMs = ms;
  }

  assign(tracks: readonly TrackAssignment[], now: number): void {
    this.assigned = tracks;
    for (const t of this.tracks.values()) {
      const assigned = tracks.find((a) => a.name === t.info.name);
      if (assigned === undefined) t.unassigned();
      else if (t.isActive) t.sources.assign(assigned.slices, now);
    }
    this.flush();
  }

  /** A frame of a neighbour or of the feed. */
  frame(link: Link, frame: Frame, message: Bytes): void {
    const sender: Sender = { id: link.id, source: link.kind };
    switch (frame.type) {
      case 'chunk':
        if (link.kind === 'feed') this.o.counters.feedBytes += frame.data.length;
        this.receiver.chunk(sender, frame, message);
        return;
      case 'header':
        this.receiver.header(sender, frame.raw);
        return;
      case 'have':
        if (link.kind === 'peer') this.announcer.heard(link, frame);
        return;
      case 'refuse':
        this.refused(link, frame);
        return;
      default:
        if (link.kind === 'peer') this.serve(link, frame);
    }
  }

  /** A link became ready. */
  up(link: Link, now: number): void {
    if (link.id === EDGE_ID) {
      for (const t of this.active) {
        t.sources.renew(EDGE_ID, now);
        for (const c of t.sources.subscriptionsOf(EDGE_ID)) this.subscribe(link, t, 1 << c.slice, c.from);
      }
    }
    this.settle(now);
    this.uploader.pump();
  }

  /** A link is no more. */
  gone(id: string, now: number): void {
    this.uploader.remove(id);
    this.haves.remove(id);
    this.reputation.forget(id);
    this.health.gone(id);
    for (const t of this.tracks.values()) {
      for (const entry of t.parts.all) this.repairer.gone(entry, id);
      if (t.isActive) t.sources.gone(id, now);
    }
    this.flush();
  }

  tick(now: number): void {
    this.health.tick(now);
    this.settle(now);
    this.announcer.tick();
    this.receiver.tick(now);
    for (const t of this.active) {
      for (const entry of t.parts.all) {
        const isWanted = this.loader.isWaiting(entry);
        if (entry.isComplete || ((entry.isSettled || entry.isLeft) && !isWanted) || (now - entry.seenAt > RECENT_MS && !isWanted)) continue;
        const deadline = this.loader.deadline(entry) ?? entry.seenAt + Math.max(this.bufferMs, MIN_SLACK_MS);
        this.repairer.run(entry, t.sources, deadline, isWanted, now);
      }
    }
    this.loader.tick(now);
    this.flush();
  }

  /** Forgets old parts; to be called about once a second. */
  evict(now: number): void {
    this.reputation.evict(now, (id) => this.o.links.link(id) !== undefined);
    for (const [number, t] of this.tracks) {
      for (const entry of t.parts.evict(now, (e) => this.loader.isWaiting(e))) {
        this.loader.settleByHttp(entry); // never played: what came of it was of no use here
        this.provided.delete(entry);
      }
      if (!t.isActive && t.parts.all.length === 0) this.tracks.delete(number);
    }
  }

  load(name: string, id: PartId, options: LoadOptions): Promise<LoadResult | undefined> {
    const t = this.byName(name);
    const now = this.o.clock.now();
    if (t === undefined || this.o.verifier() === undefined) return Promise.resolve(undefined);
    const known = t.parts.find(id);
    const isBegun = known !== undefined && known.loaded > 0; // what came of it is kept, whoever is still there
    const mayCome = t.isActive && (isBegun || t.sources.current.some((source) => source !== '' && this.o.links.isUp(source)));
    if (!mayCome && known?.isComplete !== true) return Promise.resolve(undefined);
    const entry = known ?? t.parts.ensure(id, now);
    if (entry === undefined) return Promise.resolve(undefined);
    return this.loader.wait(t, entry, options);
  }

  loadSegment(name: string, msn: number): LoadResult | undefined {
    const entries = this.byName(name)?.parts.all.filter((e) => e.id.msn === msn) ?? [];
    const isWhole = entries.length > 0 && entries.at(-1)?.header?.last === true && entries.every((e, i) => e.id.index === i && e.isComplete);
    return isWhole ? this.loader.handAll(entries) : undefined;
  }

  /** Bytes that the player got by plain HTTP. */
  provide(name: string, id: PartId | { readonly msn: number }, data: Uint8Array, timing?: RequestTiming): void {
    this.o.counters.httpBytes += data.length;
    if (timing !== undefined) this.rate.note(data.length, timing.firstByteMs, timing.totalMs);
    const t = this.byName(name);
    if (t === undefined) return;
    if ('index' in id) {
      const entry = t.parts.ensure(id, this.o.clock.now());
      if (entry !== undefined) this.take(t, entry, data);
      return;
    }
    // A segment is its parts one after the other, if all of them are known.
    const entries = t.parts.all.filter((e) => e.id.msn === id.msn);
    let at = 0;
    const isWhole = entries.length > 0 && entries.every((e, i) => e.id.index === i && e.header !== undefined)
      && entries.reduce((sum, e) => sum + (e.header?.size ?? 0), 0) === data.length;
    for (const entry of entries) {
      const size = entry.header?.size ?? 0;
      if (isWhole) this.take(t, entry, data.subarray(at, at + size));
      else this.loader.settleByHttp(entry);
      at += size;
    }
  }

  close(): void {
    this.loader.close();
    this.repairer.close();
    this.uploader.close();
    this.receiver.close();
    this.tracks.clear();
    this.provided.clear();
  }

  private begin(info: CatalogTrack, old: TrackState | undefined, now: number): void {
    const t = new TrackState(info, {
      usable: (id) => this.o.links.usable(id) && !this.health.isMute(id),
      strain: this.health.strain, retreat: this.health.retreat,
      trust: (id) => this.reputation.of(id), roundTrip: (id) => this.o.links.link(id)?.rttMs ?? 0,
      onSlow: (id) => this.o.onSlow(id),
      cancel: (id, entry, first, count) => this.o.links.link(id)?.send({ type: 'cancel', track: entry.track, ...entry.id, first, count }),
      hasAnnounced: (id, entry) => this.uploader.hasAnnounced(id, entry),
      children: (track, s) => this.uploader.childrenOf(track, s),
    }, this.o.hasTracker() ? now : now - 200);
    // Parts of an earlier time with this track may still serve a segment.
    for (const entry of old?.parts.all ?? []) t.parts.adopt(entry);
    this.tracks.set(info.number, t);
    // The tracker's answer may be here before the catalog that has the track.
    const assigned = this.assigned.find((a) => a.name === info.name);
    if (assigned !== undefined) t.sources.assign(assigned.slices, now);
  }

  private byName(name: string): TrackState | undefined {
    for (const t of this.tracks.values()) {
      if (t.info.name === name) return t;
    }
    return undefined;
  }

  private take(t: TrackState, entry: PartEntry, data: Uint8Array): void {
    this.loader.settleByHttp(entry);
    if (!entry.isComplete) t.sources.judge(entry, this.o.clock.now());
    if (entry.isComplete || this.o.verifier() === undefined) return;
    // A copy: the player may hand its own buffer to a worker.
    const copy = new Uint8Array(data);
    if (entry.header !== undefined) void this.receiver.range(entry, 0, copy);
    else if (this.o.uplink > 0) this.provided.set(entry, copy);
  }

  private headed(entry: PartEntry, sender: Sender): void {
    this.tracks.get(entry.track)?.sources.headed(entry, sender.id);
    if (entry.header !== undefined) this.o.onHeader(this.tracks.get(entry.track)?.info.name ?? '', entry.header);
    const copy = this.provided.get(entry);
    if (copy !== undefined) {
      this.provided.delete(entry);
      if (copy.length === entry.header?.size) void this.receiver.range(entry, 0, copy);
    }
    if (entry.isComplete) this.completed(entry); // a gap has no bytes
  }

  private arrived(entry: PartEntry, chunk: number, sender: Sender, isFresh: boolean, message: Bytes | undefined): void {
    const t = this.tracks.get(entry.track);
    const { have, header } = entry;
    if (t === undefined || have === undefined || header === undefined) return;
    t.sources.pushed(entry, sliceOf(have.length, t.info.slices, chunk), sender.id, isFresh, this.o.clock.now());
    if (!isFresh) return;
    if (sender.source === 'peer') this.o.onPeerByte(this.o.clock.now());
    if (entry.isSettled && sender.source !== 'edge') {
      const [from, to] = chunkRange(header, chunk);
      this.o.counters.duplicateBytes += to - from; // the player had it already
    }
    this.repairer.answered(entry, chunk, sender.id);
    this.uploader.forward(entry, chunk, sender.id, message, (id) => this.o.links.link(id));
    this.loader.progress(entry);
    if (entry.isComplete) this.completed(entry);
  }

  private completed(entry: PartEntry): void {
    const t = this.tracks.get(entry.track);
    if (t === undefined || entry.have === undefined) return;
    t.sources.judge(entry, this.o.clock.now());
    this.repairer.drop(entry);
    this.loader.progress(entry);
    if (this.o.uplink === 0) return;
    this.announcer.add(entry);
  }

  private bad(sender: Sender, origin: PartHeader | ChunkFrame, chunk: number): void {
    this.o.onBad(sender, this.tracks.get(origin.track)?.info.name ?? '', { msn: origin.msn, index: origin.index }, chunk);
  }

  private refused(link: Link, frame: Extract<Frame, { type: 'refuse' }>): void {
    const t = this.tracks.get(frame.track);
    if (t === undefined) return;
    const isSubscription = frame.msn === 0 && frame.index === 0 && frame.first === 0;
    if (isSubscription) {
      t.sources.refused(link.id, frame.count, this.o.clock.now());
      this.flush();
      return;
    }
    const entry = t.parts.find(frame);
    if (entry !== undefined) this.repairer.refused(entry, link.id, frame.first, frame.count);
  }

  private serve(link: Link, frame: Frame): void {
    switch (frame.type) {
      case 'subscribe':
        this.uploader.subscribe(link, frame.track, frame.slices, frame, this.o.mayServe(link.id), frame.flags);
        return;
      case 'unsubscribe':
        this.uploader.unsubscribe(link, frame.track, frame.slices);
        return;
      case 'request':
        this.uploader.request(link, frame, this.tracks.get(frame.track)?.parts.find(frame), frame.deadlineMs);
        return;
      case 'cancel':
        this.uploader.cancel(link, frame, this.tracks.get(frame.track)?.parts.find(frame));
        return;
      case 'want':
        if (this.o.mayServe(link.id)) this.uploader.want(link, this.tracks.get(frame.track)?.parts.find(frame));
        return;
      default:
        return; // the link itself deals with the others
    }
  }

  private settle(now: number): void {
    for (const t of this.active) t.tick(now);
    this.flush();
  }

  /** Sends the changes of subscriptions. */
  private flush(): void {
    for (const t of this.tracks.values()) {
      for (const c of mergeCommands(t.sources.drain())) {
        const link = this.o.links.link(c.id);
        if (link?.isReady !== true) continue; // the feed's are sent when it opens
        if (c.kind === 'subscribe') this.subscribe(link, t, c.mask, c.from);
        else link.send({ type: 'unsubscribe', track: t.info.number, slices: c.mask });
      }
    }
  }

  private subscribe(link: Link, t: TrackState, mask: number, from: PartId): void {
    const first = from.msn === 0 ? NEXT_PART : from;
    link.send({ type: 'subscribe', track: t.info.number, slices: mask, msn: first.msn, index: first.index, flags: t.sources.flagsFor(link.id) });
  }
}
