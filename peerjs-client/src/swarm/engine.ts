import type { Clock } from '../clock.js';
import type { Assign, SignalData, Welcome } from '../tracker/messages.js';
import { TrackerClient } from '../tracker/tracker-client.js';
import { EDGE_ID } from '../wire/peer-frames.js';
import { Addresses } from './addresses.js';
import { browserFamily, pageUserAgent, randomSession } from './browser.js';
import type { Catalog } from './catalog.js';
import { CatalogReader } from './catalog-reader.js';
import { ByteCounters } from './counters.js';
import { Emitter } from './emitter.js';
import type { EngineEvents, EngineOptions, EngineState, EngineStats, LoadOptions, LoadResult, RequestTiming } from './engine-types.js';
import { describeState } from './engine-state.js';
import { collectBeacon, collectStats, type EngineParts } from './engine-stats.js';
import { pageEnvironment, type Environment } from './environment.js';
import { Feed } from './feed.js';
import type { Link, LinkContext, LinkEnd } from './link.js';
import { MediaPlane } from './media-plane.js';
import { Neighbours } from './neighbours.js';
import type { PartId } from './part-id.js';
import type { PeerLinkContext } from './peer-link.js';
import { Qoe } from './qoe.js';
import type { Sender } from './receiver.js';
import { Ticker } from './ticker.js';
import { UplinkKeeper } from './uplink-keeper.js';
import { pageUplinkStore } from './uplink-memory.js';

export type { Counters, EngineEvents, EngineOptions, EngineState, EngineStats, LoadOptions, LoadResult, NeighbourStats, RequestTiming } from './engine-types.js';
export type { PartId } from './part-id.js';

/** bit/s that a viewer uploads by default. */
export const DEFAULT_UPLINK = 8_000_000;

const TICK_MS = 50;
/** While the player waits for a part. */
const BUSY_TICK_MS = 25;
const LINK_TICK_MS = 250;
const SLOW_TICK_MS = 1_000;

/**
 * A viewer's part in the swarm: receives parts pushed by peers and the feed,
 * verifies them, passes them on, repairs what is missing, and hands them to the
 * player. Playback never waits for it: whatever fails, {@link loadPart} answers
 * undefined in time for plain HTTP.
 */
export class SwarmEngine {
  private readonly env: Environment;
  private readonly clock: Clock;
  private readonly uplink: UplinkKeeper;
  private readonly addresses: Addresses;
  private readonly events = new Emitter<EngineEvents>();
  private readonly counters = new ByteCounters();
  private readonly qoe = new Qoe();
  private readonly session = randomSession();
  private readonly neighbours: Neighbours;
  private readonly feed: Feed;
  private readonly plane: MediaPlane;
  private readonly ticker: Ticker;
  private readonly reader: CatalogReader;
  private tracker: TrackerClient | undefined;
  private welcome: Welcome | undefined;
  private children: ReadonlySet<string> = new Set();
  private state: EngineState = 'off';
  private reason = 'not started';
  private wanted: readonly string[] = [];
  private startedAt = 0;
  private firstPeerByteAt: number | undefined;
  private linkTickAt = 0;
  private slowTickAt = 0;

  constructor(private readonly o: EngineOptions) {
    this.env = pageEnvironment(o);
    const { clock, fetch, createSocket, random, subtle } = this.env;
    this.clock = clock;
    const canShare = o.peers !== false && this.env.createPeerConnection !== undefined && subtle !== undefined;
    this.uplink = new UplinkKeeper({
      limit: canShare ? Math.max(0, o.uplink ?? DEFAULT_UPLINK) : 0, now: clock.now(), store: pageUplinkStore(), wallClock: Date.now,
      setPace: (bitsPerSecond) => this.plane.uploader.setUplink(bitsPerSecond), tell: () => this.tracker?.beaconNow(),
    });
    this.addresses = new Addresses(o.baseUrl, o.stream);
    const { counters } = this;
    this.reader = new CatalogReader({ url: this.addresses.catalog, clock, fetch, random, subtle });
    this.neighbours = new Neighbours(() => this.peerContext(), {
      onLost: (id, reason) => this.tracker?.lost(id, reason),
      onEnd: (link, end) => this.ended(link, end),
      onConnectFailure: () => void counters.connectFailures++,
    });
    this.feed = new Feed({
      url: this.addresses.feed, createSocket, random, clock, context: () => this.linkContext(),
    });
    this.plane = new MediaPlane({
      clock, counters, stream: o.stream, uplink: this.uplink.pace, seed: Math.floor(random() * 2 ** 32), fetch,
      links: {
        link: (id) => (id === EDGE_ID ? this.feed.link : this.neighbours.get(id)),
        isUp: (id) => (id === EDGE_ID ? this.feed.link?.isReady === true : this.neighbours.isUp(id)),
        usable: (id) => (id === EDGE_ID ? this.mayFeed && this.feed.usable(this.clock.now()) : this.neighbours.isUp(id)),
        readyPeers: () => this.neighbours.all.filter((link) => link.isReady),
      },
      partUrl: (track, id) => this.addresses.part(track, id),
      partMs: () => this.reader.catalog?.partMs ?? 333,
      verifier: () => this.reader.verifier,
      hasTracker: () => this.tracker?.connected === true,
      mayServe: (id) => this.children.has(id),
      onBad: (sender, track, id, chunk) => void this.bad(sender, track, id, chunk),
      onSlow: (id) => this.tracker?.lost(id, 'slow'),
      onPeerByte: (now) => void (this.firstPeerByteAt ??= now),
      onHeader: (track, header) => this.events.emit('header', { track, header }),
    });
    this.ticker = new Ticker(clock, (now) => this.tick(now));
  }

  /** Begins in the background; never throws. */
  start(): void {
    if (this.state !== 'off') return;
    this.startedAt = this.clock.now();
    this.setState('starting', 'the catalog is awaited');
    this.tracker = this.newTracker();
    if (this.o.trackerUrl === undefined) this.tracker.prepare(); // while the catalog comes
    this.reader.start((catalog) => this.begin(catalog));
  }

  /** What the player plays now, video first. */
  setTracks(names: readonly string[]): void {
    const isSame = names.length === this.wanted.length && names.every((name, i) => name === this.wanted[i]);
    this.wanted = [...names];
    if (isSame || this.state === 'closed') return;
    this.applyTracks();
    this.tracker?.setTracks(this.tracksToJoin());
    // A rung that the catalog did not have when it was read.
    const isUnknown = this.reader.catalog !== undefined && names.some((name) => !this.reader.catalog?.tracks.some((t) => t.name === name));
    if (isUnknown) void this.refreshCatalog();
  }

  /** Seconds of media that the player holds ahead. */
  setBuffer(seconds: number): void {
    this.qoe.bufferMs = Math.max(0, seconds * 1_000);
    this.plane.setBuffer(this.qoe.bufferMs);
  }

  noteStall(ms: number): void {
    this.qoe.stalls++;
    this.qoe.stallMs += ms;
  }

  noteStartup(ms: number): void {
    this.qoe.startupMs = ms;
  }

  /** Live latency in ms. */
  noteLatency(ms: number): void {
    this.qoe.latencyMs = ms;
  }

  /** Frames dropped in the whole session. */
  noteDroppedFrames(n: number): void {
    this.qoe.droppedFrames = n;
  }

  /**
   * The part's verified bytes, all sources combined, or undefined, at once or
   * at the latest safe moment, when the caller should use plain HTTP. What is
   * missing of a part that came in part is fetched here. Never rejects.
   */
  loadPart(track: string, id: PartId, o: LoadOptions): Promise<LoadResult | undefined> {
    if (this.state !== 'swarm' && this.state !== 'feed') return Promise.resolve(undefined);
    const result = this.plane.load(track, id, o);
    if (!this.plane.loader.isIdle) this.ticker.within(BUSY_TICK_MS);
    return result;
  }

  /** A whole segment from parts already held, or undefined at once. */
  loadSegment(track: string, msn: number): LoadResult | undefined {
    return this.state === 'closed' ? undefined : this.plane.loadSegment(track, msn);
  }

  /** Bytes that the player got by plain HTTP: counted, verified when the header is there, shared with children. */
  provide(track: string, id: PartId | { readonly msn: number }, data: Uint8Array, timing?: RequestTiming): void {
    if (this.state !== 'closed') this.plane.provide(track, id, data, timing);
  }

  stats(): EngineStats {
    return collectStats(this.collected());
  }

  /** @returns a function that takes the listener off. */
  on<K extends keyof EngineEvents>(event: K, listener: (value: EngineEvents[K]) => void): () => void {
    return this.events.on(event, listener);
  }

  /** Says goodbye and closes everything, for good. */
  close(): void {
    if (this.state === 'closed') return;
    this.setState('closed', 'closed by the page');
    this.ticker.stop();
    this.reader.close();
    this.tracker?.close();
    this.neighbours.close();
    this.feed.close();
    this.plane.close();
    this.events.clear();
  }

  private collected(): EngineParts {
    const { state, reason, counters, qoe, neighbours, plane, feed, uplink } = this;
    return {
      state, reason, counters, qoe, neighbours, plane, feed, uplink: uplink.rate, stream: this.o.stream, viewerId: this.welcome?.id, tracks: this.wanted,
      trackerConnected: this.tracker?.connected === true,
      firstPeerByteMs: this.firstPeerByteAt === undefined ? undefined : this.firstPeerByteAt - this.startedAt,
    };
  }

  private get mayFeed(): boolean {
    return this.o.feed !== false && this.reader.verifier !== undefined;
  }

  private get mayShare(): boolean {
    return this.o.peers !== false && this.env.createPeerConnection !== undefined && this.reader.verifier !== undefined;
  }

  private get isClosed(): boolean {
    return this.state === 'closed';
  }

  private begin(catalog: Catalog): void {
    this.updateState();
    this.applyTracks();
    this.tracker?.start(this.tracksToJoin(), this.addresses.tracker(this.o.trackerUrl ?? catalog.tracker));
    this.ticker.within(0);
  }

  /** @returns whether the stream's key is another one now. */
  private async refreshCatalog(): Promise<boolean> {
    const news = await this.reader.refresh();
    if (news !== undefined && !this.isClosed) this.applyTracks();
    return news?.isNewKey === true;
  }

  private newTracker(): TrackerClient {
    return new TrackerClient({
      url: this.addresses.tracker(''), stream: this.o.stream, session: this.session,
      uplink: () => (this.mayShare ? this.uplink.rate : 0), browser: browserFamily(pageUserAgent()),
      ...(this.o.token === undefined ? {} : { token: this.o.token }),
      clock: this.clock, createSocket: this.env.createSocket, random: this.env.random, beacon: () => collectBeacon(this.collected()),
      events: {
        onWelcome: (welcome) => this.welcomed(welcome),
        onAssign: (assign) => this.assigned(assign),
        onSignal: (from, data) => this.signalled(from, data),
        onBan: (peer) => this.ban(peer, 'banned by the tracker'),
        onDown: (why, isFinal) => this.log(isFinal ? 'warn' : 'debug', why),
      },
    });
  }

  /** A viewer that cannot share joins for its beacons only and asks for no tree. */
  private tracksToJoin(): readonly string[] {
    return this.mayShare ? this.wanted : [];
  }

  private applyTracks(): void {
    const { catalog, verifier } = this.reader;
    if (catalog === undefined || verifier === undefined) return;
    const tracks = this.wanted.map((name) => catalog.tracks.find((t) => t.name === name)).filter((t) => t !== undefined);
    this.plane.setTracks(tracks, this.clock.now());
  }

  private welcomed(welcome: Welcome): void {
    this.welcome = welcome;
    if (!welcome.p2p) this.pair(new Set(), new Set(), new Set());
    this.updateState();
  }

  private assigned(assign: Assign): void {
    if (!this.mayShare || this.welcome?.p2p !== true) return;
    const wanted = new Set(assign.tracks.flatMap((t) => t.slices.flatMap((s) => [s.parent, s.backup])));
    wanted.delete(EDGE_ID);
    this.pair(wanted, new Set([...assign.peers, ...assign.children]), new Set([...assign.children, ...assign.peers]));
    this.plane.assign(assign.tracks, this.clock.now());
    this.updateState();
  }

  private pair(wanted: ReadonlySet<string>, peers: ReadonlySet<string>, children: ReadonlySet<string>): void {
    this.children = children;
    this.neighbours.assign({ wanted, peers }, this.clock.now());
  }

  private signalled(from: string, data: SignalData): void {
    if (this.mayShare && !this.isClosed) this.neighbours.signal(from, data, this.clock.now());
  }

  private linkContext(): LinkContext {
    return {
      clock: this.clock, stream: this.o.stream, counters: this.counters, selfId: this.welcome?.id ?? this.session,
      events: {
        onReady: (link) => this.ready(link),
        onFrame: (link, frame, message) => this.plane.frame(link, frame, message),
        onEnd: (link, end) => this.linkEnded(link, end),
        onDrain: () => this.plane.uploader.pump(),
        onRoundTrip: (link, ms) => this.uplink.roundTrip(link, ms, this.clock.now()),
      },
    };
  }

  private peerContext(): PeerLinkContext | undefined {
    const { welcome } = this;
    const { createPeerConnection } = this.env;
    if (createPeerConnection === undefined || welcome === undefined || this.isClosed) return undefined;
    return {
      ...this.linkContext(), createPeerConnection, iceServers: welcome.iceServers,
      signal: (to, data) => this.tracker?.signal(to, data),
    };
  }

  private ready(link: Link): void {
    if (link.kind === 'feed') this.feed.ready();
    else this.events.emit('peer', { id: link.id, state: 'ready', why: '' });
    this.plane.up(link, this.clock.now());
  }

  private linkEnded(link: Link, end: LinkEnd): void {
    const now = this.clock.now();
    if (link.kind === 'peer') {
      this.neighbours.ended(link, end, now);
      return;
    }
    this.log('debug', `feed: ${end.why}`);
    this.feed.ended(now);
    this.plane.gone(EDGE_ID, now);
  }

  private ended(link: Link, end: LinkEnd): void {
    this.plane.gone(link.id, this.clock.now());
    this.events.emit('peer', { id: link.id, state: 'closed', why: end.why });
  }

  /** A header (chunk −1) whose signature fails is a forgery, unless the stream has a new key. */
  private async bad(sender: Sender, track: string, id: PartId, chunk: number): Promise<void> {
    const isNewKey = chunk < 0 && await this.refreshCatalog();
    if (!isNewKey && !this.isClosed) this.punish(sender, track, id, Math.max(chunk, 0));
  }

  private punish(sender: Sender, track: string, id: PartId, chunk: number): void {
    if (sender.source === 'peer') {
      this.tracker?.report(sender.id, track, id.msn, id.index, chunk);
      this.ban(sender.id, `bad data: ${track} ${id.msn}.${id.index} chunk ${chunk}`);
    } else if (sender.source === 'feed' && this.feed.link !== undefined) {
      this.log('warn', `the feed sent bad data: ${track} ${id.msn}.${id.index} chunk ${chunk}`);
      this.feed.close();
      this.feed.ended(this.clock.now());
      this.plane.gone(EDGE_ID, this.clock.now());
    }
  }

  private ban(id: string, why: string): void {
    if (this.neighbours.isBanned(id)) return;
    this.neighbours.ban(id, why);
    this.log('warn', `banned ${id}: ${why}`);
    this.events.emit('ban', { id, why });
  }

  /** @returns ms until the next tick. */
  private tick(now: number): number {
    if (now - this.linkTickAt >= LINK_TICK_MS) {
      this.linkTickAt = now;
      this.neighbours.tick(now);
      this.feed.tick(now);
    }
    this.plane.tick(now);
    this.uplink.tick(now, this.neighbours.all.filter((link) => link.isReady), this.qoe.stalls);
    if (this.mayFeed && this.plane.active.some((t) => t.sources.uses(EDGE_ID))) this.feed.want(now);
    if (now - this.slowTickAt >= SLOW_TICK_MS) {
      this.slowTickAt = now;
      this.plane.evict(now);
      if (this.events.has('stats')) this.events.emit('stats', this.stats());
    }
    return this.plane.loader.isIdle ? TICK_MS : BUSY_TICK_MS;
  }

  private updateState(): void {
    if (this.isClosed) return;
    const [state, reason] = describeState({
      canVerify: this.reader.verifier !== undefined, hasSubtle: this.env.subtle !== undefined, mayFeed: this.mayFeed,
      arePeersOn: this.o.peers !== false, hasPeerConnection: this.env.createPeerConnection !== undefined, p2p: this.welcome?.p2p,
    });
    this.setState(state, reason);
  }

  private setState(state: EngineState, reason: string): void {
    if (this.state === state && this.reason === reason) return;
    this.state = state;
    this.reason = reason;
    this.events.emit('state', { state, reason });
  }

  private log(level: EngineEvents['log']['level'], message: string): void {
    this.events.emit('log', { level, message });
  }
}
