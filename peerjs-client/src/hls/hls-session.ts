/** Playback by hls.js, with the swarm as its first source of media. */
import Hls, { Events, type ErrorData, type FragBufferedData, type Level, type LevelDetails } from 'hls.js';
import { ArrivalMeter } from './arrival-meter';
import { bufferedEnd } from './buffered';
import { ClimbGate } from './climb-gate';
import { ClimbMemory } from './climb-memory';
import { partDeadline } from './deadline';
import { capOnDrops } from './drop-cap';
import { createFragmentLoader, type LoadedBytes } from './fragment-loader';
import { hlsConfig } from './hls-config';
import { LatencyKeeper, startDistance } from './latency-keeper';
import { discountParsing } from './load-timing';
import { trackOfPlaylist } from './media-url';
import { PartBook } from './part-book';
import { createPlaylistLoader, PlaylistBook } from './playlist-loader';
import { GuardedSource } from './part-source';
import type { Rung, Session, SessionEvents } from './session';
import { quietly, type SwarmPort } from './swarm-port';
import { TimelineGuard } from './timeline-guard';

/** What a session is made from. */
export interface HlsSessionOptions {
  readonly video: HTMLVideoElement;
  readonly playlistUrl: string;
  /** `APP/NAME`; undefined for a playlist that is not Starling's. */
  readonly stream?: string | undefined;
  /** Closed with the session. */
  readonly swarm?: SwarmPort | undefined;
  /** First guess of the bandwidth, bit/s. */
  readonly bandwidth: number;
  /** Rung to stay on, by name. */
  readonly rung?: string | undefined;
  /** Distance from the live edge in seconds; default the playlist's. */
  readonly latency?: number | undefined;
  /** Log what hls.js does. Default false. */
  readonly debug?: boolean;
  readonly events: SessionEvents;
  /** Failures of the swarm: playback goes on without it. */
  readonly onSwarmFailure: (error: unknown) => void;
}

/**
 * What is kept between a part's arrival and its use, in seconds: for a swarm its last moment for asking the edge
 * (docs/repair.md, rule 11) must not come before nearly all parts are there by way of other viewers.
 */
const marginWithSwarm = 0.35;
/** The bustle of a start says nothing about what follows: seconds after the first picture until arrivals are measured. */
const settleSeconds = 3;
/** How often latency goes to the engine, in milliseconds. */
const reportEvery = 1000;
/** The back buffer is trimmed this often, in milliseconds: each trim makes hls.js look through all it holds. */
const trimEvery = 30_000;
/** Seconds kept behind the playhead at a trim. */
const backBuffer = 8;
/** hls.js leaves a fixed rung, too, when its loading fails. Playback goes back to it after this, in milliseconds. */
const returnAfter = 5000;

/** A session on hls.js. */
export class HlsSession implements Session {
  readonly hls: Hls;
  readonly swarm: SwarmPort | undefined;
  readonly #options: HlsSessionOptions;
  readonly #video: HTMLVideoElement;
  readonly #keeper: LatencyKeeper;
  readonly #listening = new AbortController();
  readonly #book = new PartBook();
  readonly #playlists: PlaylistBook;
  readonly #timeline = new TimelineGuard();
  readonly #arrivals = new ArrivalMeter();
  readonly #climbs = new ClimbMemory();
  readonly #gate = new ClimbGate();
  /** Kinds of media whose loading has caught up with the live edge. */
  readonly #caughtUp = new Set<string>();
  /** The newest playlists: of video and of audio. */
  readonly #details = new Map<'main' | 'audio', LevelDetails>();
  #trimmedAt = performance.now();
  #rungs: readonly Rung[] = [];
  #rung: Rung | undefined;
  /** Index of the rung that is loaded, since when, and of the one to stay on (−1: any). */
  #loading = -1;
  #loadingSince = 0;
  #fixed = -1;
  /** The rung to stay on is taken where a segment ends. */
  #mustClimb = false;
  #bytes: LoadedBytes = { peer: 0, feed: 0, edge: 0 };
  #target: number | undefined;
  #hasStarted = false;
  #settledAt = Infinity;
  #isEnded = false;
  #reportedAt = 0;
  #uncap = (): void => undefined;

  constructor(options: HlsSessionOptions) {
    this.#options = options;
    this.#video = options.video;
    this.swarm = options.swarm;
    this.#keeper = new LatencyKeeper({ target: options.latency, ...(options.swarm === undefined ? {} : { margin: marginWithSwarm }) });
    const source = options.swarm === undefined ? undefined : new GuardedSource(options.swarm, options.onSwarmFailure);
    const loader = createFragmentLoader({
      stream: options.stream ?? '',
      source: () => source,
      deadline: (mediaStart) => this.#deadline(mediaStart),
      estimates: () => ({ bandwidth: this.hls.bandwidthEstimate, timeToFirstByte: this.hls.ttfbEstimate, believed: this.#believed() }),
      onBehind: (rate) => this.#fallBack(rate),
      onLoaded: (bytes) => this.#count(bytes),
    });
    this.#playlists = new PlaylistBook(options.stream ?? '', (playlist) => {
      if (options.latency === undefined) this.hls.targetLatency = startDistance(playlist.partHoldBackMicros / 1e6, playlist.partTargetMicros / 1e6);
    });
    const playlistLoader = createPlaylistLoader(this.#playlists);
    this.hls = new Hls(hlsConfig({
      loader, playlistLoader, bandwidth: options.bandwidth, latency: options.latency, mayClimb: () => this.#mayClimb(), debug: options.debug === true,
    }));
    this.#listen();
    this.hls.attachMedia(options.video);
    this.hls.loadSource(options.playlistUrl);
    this.#quietly((swarm) => {
      swarm.on('header', ({ track, header }) => this.#playlists.note(track, header));
      swarm.start();
    });
  }

  get rungs(): readonly Rung[] {
    return this.#rungs;
  }

  get rung(): Rung | undefined {
    return this.#rung;
  }

  get fixedRung(): string | undefined {
    return this.#rungs[this.#fixed]?.name;
  }

  get latency(): number | undefined {
    const shown = this.hls.playingDate;
    const byClock = shown === null ? Number.NaN : (Date.now() - shown.getTime()) / 1000;
    // A viewer's clock may be wrong by minutes: then the distance from the edge is the better figure.
    if (byClock > 0 && byClock < 120) return byClock;
    return this.hls.latency > 0 ? this.hls.latency : undefined;
  }

  get targetLatency(): number | undefined {
    return this.#target;
  }

  get bandwidth(): number | undefined {
    const estimate = this.hls.bandwidthEstimate;
    return Number.isFinite(estimate) ? estimate : undefined;
  }

  get playlists(): PlaylistBook['counts'] {
    return this.#playlists.counts;
  }

  get bytes(): LoadedBytes {
    return this.#bytes;
  }

  fixRung(name: string | undefined): void {
    this.#fixed = this.#rungs.findIndex((rung) => rung.name === name);
    this.#mustClimb = this.#fixed > this.#loading && !this.#mayClimb();
    if (!this.#mustClimb) this.hls.loadLevel = this.#fixed;
    this.#keeper.reset();
  }

  goLive(): void {
    const position = this.#livePosition();
    if (position === undefined) return;
    this.#keeper.reset();
    this.#caughtUp.clear();
    this.#video.currentTime = position;
  }

  noteStall(ms: number): void {
    this.#keeper.noteStall(performance.now() / 1000);
    this.#quietly((swarm) => swarm.noteStall(ms));
  }

  tick(): void {
    const video = this.#video;
    const details = this.hls.latestLevelDetails;
    const ahead = this.#ahead();
    this.#quietly((swarm) => swarm.setBuffer(ahead ?? 0));
    if (video.paused || video.seeking || details === null || !details.live || ahead === undefined) return;
    const now = performance.now();
    for (const known of this.#details.values()) this.#mend(known);
    this.#trimBackBuffer(now);
    const { holdBack, partHoldBack, partTarget, targetduration } = details;
    const decision = this.#keeper.tick({
      now: now / 1000,
      latency: this.#distance(now / 1000),
      buffer: ahead,
      holdBack: partHoldBack || holdBack || targetduration * 3,
      partTarget: partTarget > 0 ? partTarget : undefined,
      lateness: this.#arrivals.lateness,
    });
    this.#target = decision.target;
    if (decision.mustSeek) this.goLive();
    else if (video.playbackRate !== decision.rate) video.playbackRate = decision.rate;
    if (now - this.#reportedAt >= reportEvery) {
      this.#reportedAt = now;
      this.#returnToFixed(now);
      const { latency } = this;
      if (latency !== undefined) this.#quietly((swarm) => swarm.noteLatency(latency * 1000));
    }
  }

  recover(how: 'recover-media' | 'restart-load'): void {
    this.#keeper.reset();
    this.#caughtUp.clear();
    if (how === 'recover-media') this.hls.recoverMediaError();
    else this.hls.startLoad(-1);
  }

  destroy(): void {
    this.#uncap();
    this.#listening.abort();
    this.hls.destroy();
    this.#quietly((swarm) => swarm.close());
  }

  #listen(): void {
    const { hls } = this;
    const { events } = this.#options;
    const { signal } = this.#listening;
    hls.on(Events.MANIFEST_PARSED, (_, data) => this.#onLadder(data.levels));
    hls.on(Events.LEVEL_SWITCHING, (_, { level }) => this.#onSwitching(level));
    hls.on(Events.AUDIO_TRACK_SWITCHING, () => this.#announceTracks());
    hls.on(Events.AUDIO_TRACKS_UPDATED, () => this.#announceTracks());
    hls.on(Events.LEVEL_SWITCHED, (_, data) => {
      this.#rung = this.#rungs[data.level];
      events.onRung(this.#rung);
    });
    hls.on(Events.FRAG_LOADED, (_, { part, frag }) => {
      if (part !== null) this.#book.note(part);
      if (frag.type !== 'main') return;
      this.#gate.note(part);
      if (this.#mustClimb && this.#mayClimb()) this.fixRung(this.fixedRung);
    });
    hls.on(Events.LEVEL_UPDATED, (_, { details: known }) => this.#onPlaylist('main', known));
    hls.on(Events.AUDIO_TRACK_UPDATED, (_, { details: known }) => this.#onPlaylist('audio', known));
    hls.on(Events.LIVE_BACK_BUFFER_REACHED, () => (hls.config.backBufferLength = Infinity));
    hls.on(Events.BUFFER_RESET, () => this.#forgetPlaylists());
    hls.on(Events.FRAG_BUFFERED, (_, data) => this.#onBuffered(data));
    hls.on(Events.FRAG_PARSED, (_, data) => discountParsing((data.part ?? data.frag).stats));
    this.#uncap = capOnDrops(hls);
    hls.on(Events.ERROR, (_, data) => this.#onError(data));
    this.#video.addEventListener('playing', () => this.#onStarted(), { signal, once: true });
    this.#video.addEventListener('ended', () => this.#onEnded(), { signal });
    hls.on(Events.MEDIA_ENDED, () => this.#onEnded());
  }

  #onLadder(levels: readonly Level[]): void {
    this.#rungs = levels.map((level, i) => ({
      name: trackOfPlaylist(level.url[0] ?? '') ?? (level.name || `${i}`),
      height: level.height,
      width: level.width,
      frameRate: level.frameRate,
      bitrate: level.averageBitrate || level.bitrate,
    }));
    this.#fixed = this.#rungs.findIndex((rung) => rung.name === this.#options.rung);
    if (this.#fixed >= 0) this.hls.startLevel = this.hls.loadLevel = this.#fixed;
    this.#options.events.onRungs(this.#rungs);
  }

  #onSwitching(index: number): void {
    const from = this.hls.levels[this.#loading]?.maxBitrate ?? 0;
    const to = this.hls.levels[index]?.maxBitrate ?? 0;
    const isTooMuch = this.hls.autoLevelEnabled && to < from && this.hls.bandwidthEstimate < from / this.hls.config.abrBandWidthFactor;
    if (isTooMuch) this.#climbs.noteFall(performance.now() / 1000, from);
    this.#loading = index;
    this.#loadingSince = performance.now();
    this.#announceTracks();
  }

  #returnToFixed(now: number): void {
    if (this.#fixed >= 0 && this.#loading >= 0 && this.#loading !== this.#fixed && now - this.#loadingSince >= returnAfter) this.hls.loadLevel = this.#fixed;
  }

  /** The line carries less than the rung. hls.js would average over seconds that the buffer does not have. */
  #fallBack(rate: number): void {
    if (rate < this.hls.bandwidthEstimate) this.hls.bandwidthEstimate = rate;
  }

  #believed(): number {
    const bitrates = this.hls.levels.map((level) => level.maxBitrate);
    const own = bitrates[this.hls.loadLevel] ?? 0;
    const above = bitrates.filter((bitrate) => bitrate > own);
    return this.#climbs.believed(performance.now() / 1000, own, above.length === 0 ? undefined : Math.min(...above));
  }

  #announceTracks(): void {
    const video = this.#rungs[this.hls.loadLevel]?.name;
    const audioUrl = this.hls.audioTracks[this.hls.audioTrack]?.url;
    const audio = audioUrl === undefined ? undefined : trackOfPlaylist(audioUrl);
    const names = [video, audio].filter((name) => name !== undefined);
    if (names.length > 0) this.#quietly((swarm) => swarm.setTracks(names));
  }

  #onPlaylist(kind: 'main' | 'audio', details: LevelDetails): void {
    this.#details.set(kind, details);
    const moved = this.#timeline.mend(kind, [...details.fragments, details.fragmentHint ?? null]);
    const now = performance.now() / 1000;
    if (moved !== 0) this.#arrivals.clear();
    else if (details.live && details.advanced && details.partList !== null) this.#arrivals.noteEdge(now, details.edge, details.endCC);
    if (moved !== 0) this.hls.logger.warn(`[starling] moved the ${kind} playlist by ${moved.toFixed(3)} s to its place`);
    this.#mend(details);
  }

  #forgetPlaylists(): void {
    this.#details.clear();
    this.#book.clear();
    this.#timeline.clear();
    this.#arrivals.clear();
    this.#caughtUp.clear();
  }

  /** Tells the meter when a part came; what is loaded to catch up with the live edge was there before. */
  #onBuffered({ part, frag }: FragBufferedData): void {
    const kind = frag.type === 'audio' ? 'audio' : 'main';
    const newest = this.#details.get(kind)?.partList?.at(-1);
    if (part === null || newest === undefined) return;
    const now = performance.now() / 1000;
    if (part.end >= newest.end - 0.01) this.#caughtUp.add(kind);
    if (this.#caughtUp.has(kind) && now >= this.#settledAt) this.#arrivals.note(now, part.end, frag.cc, kind);
  }

  /** Seconds from the playhead to the live edge. */
  #distance(now: number): number {
    const edge = this.#arrivals.edge(now);
    return edge === undefined ? this.hls.latency : edge - this.#video.currentTime;
  }

  #mend(details: LevelDetails): void {
    if (details.partList !== null) this.#book.mend(details.partList, this.#video.buffered);
  }

  #trimBackBuffer(now: number): void {
    if (now - this.#trimmedAt < trimEvery) return;
    this.#trimmedAt = now;
    this.hls.config.backBufferLength = backBuffer; // until LIVE_BACK_BUFFER_REACHED
  }

  #onError(data: ErrorData): void {
    const status = data.response?.code;
    this.#options.events.onFault({ type: data.type, details: data.details, isFatal: data.fatal, status }, data.error.message);
  }

  #onEnded(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#options.events.onEnded();
  }

  #onStarted(): void {
    const now = performance.now() / 1000;
    this.#hasStarted = true;
    this.#settledAt = now + settleSeconds;
    this.#keeper.noteStart(now);
  }

  /** Where playback should be now. */
  #livePosition(): number | undefined {
    const details = this.hls.latestLevelDetails;
    if (details === null || !details.live) return undefined;
    const target = this.#target ?? this.#options.latency ?? this.hls.targetLatency;
    if (target === null) return undefined;
    return Math.max((this.#arrivals.edge(performance.now() / 1000) ?? details.edge + details.age) - target, details.fragmentStart);
  }

  #mayClimb(): boolean {
    return this.#gate.mayClimb(this.#details.get('main'), this.#ahead() ?? 0);
  }

  #deadline(mediaStart: number): number {
    const { currentTime, playbackRate, buffered } = this.#video;
    return partDeadline(performance.now(), {
      currentTime, playbackRate, mediaStart,
      bufferedEnd: bufferedEnd(buffered, currentTime),
      isStarting: !this.#hasStarted,
    });
  }

  #ahead(): number | undefined {
    const { currentTime, buffered } = this.#video;
    const end = bufferedEnd(buffered, currentTime);
    return end === undefined ? undefined : end - currentTime;
  }

  #count(bytes: LoadedBytes): void {
    const { peer, feed, edge } = this.#bytes;
    this.#bytes = { peer: peer + bytes.peer, feed: feed + bytes.feed, edge: edge + bytes.edge };
  }

  #quietly(call: (swarm: SwarmPort) => void): void {
    const { swarm } = this;
    if (swarm !== undefined) quietly(() => call(swarm), this.#options.onSwarmFailure);
  }
}
