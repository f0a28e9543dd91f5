/** Playback by hls.js, with the swarm as its first source of media. */
import Hls, { Events, type ErrorData, type Level, type LevelDetails } from 'hls.js';
import { bufferedEnd } from './buffered';
import { partDeadline } from './deadline';
import { createFragmentLoader, type LoadedBytes } from './fragment-loader';
import { hlsConfig } from './hls-config';
import { LatencyKeeper } from './latency-keeper';
import { discountParsing } from './load-timing';
import { trackOfPlaylist } from './media-url';
import { PartBook } from './part-book';
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

/** With a swarm the last half part stays: a part by way of other viewers takes longer, and nearer the edge HTTP would win the race. */
const minPartsWithSwarm = 2.75;
/** How often latency goes to the engine, in milliseconds. */
const reportEvery = 1000;
/** The back buffer is trimmed this often, in milliseconds: each trim makes hls.js look through all it holds. */
const trimEvery = 30_000;
/** Seconds kept behind the playhead at a trim. */
const backBuffer = 8;
/** A cap that was set because frames were dropped is tried again after this. */
const capSeconds = 60;

/** A session on hls.js. */
export class HlsSession implements Session {
  readonly hls: Hls;
  readonly swarm: SwarmPort | undefined;
  readonly #options: HlsSessionOptions;
  readonly #video: HTMLVideoElement;
  readonly #keeper: LatencyKeeper;
  readonly #listening = new AbortController();
  readonly #book = new PartBook();
  readonly #timeline = new TimelineGuard();
  /** The newest playlists: of video and of audio. */
  readonly #details = new Map<'main' | 'audio', LevelDetails>();
  #trimmedAt = performance.now();
  #rungs: readonly Rung[] = [];
  #rung: Rung | undefined;
  #bytes: LoadedBytes = { peer: 0, feed: 0, edge: 0 };
  #target: number | undefined;
  #hasStarted = false;
  #isEnded = false;
  #reportedAt = 0;
  #capTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: HlsSessionOptions) {
    this.#options = options;
    this.#video = options.video;
    this.swarm = options.swarm;
    this.#keeper = new LatencyKeeper({ target: options.latency, ...(options.swarm === undefined ? {} : { minParts: minPartsWithSwarm }) });
    const source = options.swarm === undefined ? undefined : new GuardedSource(options.swarm, options.onSwarmFailure);
    const loader = createFragmentLoader({
      stream: options.stream ?? '',
      source: () => source,
      deadline: (mediaStart) => this.#deadline(mediaStart),
      estimates: () => ({ bandwidth: this.hls.bandwidthEstimate, timeToFirstByte: this.hls.ttfbEstimate }),
      onLoaded: (bytes) => this.#count(bytes),
    });
    this.hls = new Hls(hlsConfig({ loader, bandwidth: options.bandwidth, debug: options.debug === true }));
    this.#listen();
    this.hls.attachMedia(options.video);
    this.hls.loadSource(options.playlistUrl);
    this.#quietly((swarm) => swarm.start());
  }

  get rungs(): readonly Rung[] {
    return this.#rungs;
  }

  get rung(): Rung | undefined {
    return this.#rung;
  }

  get fixedRung(): string | undefined {
    return this.hls.autoLevelEnabled ? undefined : this.#rungs[this.hls.loadLevel]?.name;
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

  get bytes(): LoadedBytes {
    return this.#bytes;
  }

  fixRung(name: string | undefined): void {
    const index = this.#rungs.findIndex((rung) => rung.name === name);
    this.hls.loadLevel = name === undefined ? -1 : index;
    this.#keeper.reset();
  }

  goLive(): void {
    const position = this.#livePosition();
    if (position === undefined) return;
    this.#keeper.reset();
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
      latency: this.hls.latency,
      buffer: ahead,
      holdBack: partHoldBack || holdBack || targetduration * 3,
      partTarget: partTarget > 0 ? partTarget : undefined,
    });
    this.#target = decision.target;
    if (decision.mustSeek) this.goLive();
    else if (video.playbackRate !== decision.rate) video.playbackRate = decision.rate;
    if (now - this.#reportedAt >= reportEvery) {
      this.#reportedAt = now;
      const { latency } = this;
      if (latency !== undefined) this.#quietly((swarm) => swarm.noteLatency(latency * 1000));
    }
  }

  recover(how: 'recover-media' | 'restart-load'): void {
    this.#keeper.reset();
    if (how === 'recover-media') this.hls.recoverMediaError();
    else this.hls.startLoad(-1);
  }

  destroy(): void {
    clearTimeout(this.#capTimer);
    this.#listening.abort();
    this.hls.destroy();
    this.#quietly((swarm) => swarm.close());
  }

  #listen(): void {
    const { hls } = this;
    const { events } = this.#options;
    const { signal } = this.#listening;
    hls.on(Events.MANIFEST_PARSED, (_, data) => this.#onLadder(data.levels));
    hls.on(Events.LEVEL_SWITCHING, () => this.#announceTracks());
    hls.on(Events.AUDIO_TRACK_SWITCHING, () => this.#announceTracks());
    hls.on(Events.AUDIO_TRACKS_UPDATED, () => this.#announceTracks());
    hls.on(Events.LEVEL_SWITCHED, (_, data) => {
      this.#rung = this.#rungs[data.level];
      events.onRung(this.#rung);
    });
    hls.on(Events.FRAG_LOADED, (_, { part }) => part !== null && this.#book.note(part));
    hls.on(Events.LEVEL_UPDATED, (_, { details: known }) => this.#onPlaylist('main', known));
    hls.on(Events.AUDIO_TRACK_UPDATED, (_, { details: known }) => this.#onPlaylist('audio', known));
    hls.on(Events.LIVE_BACK_BUFFER_REACHED, () => (hls.config.backBufferLength = Infinity));
    hls.on(Events.BUFFER_RESET, () => this.#forgetPlaylists());
    hls.on(Events.FRAG_PARSED, (_, data) => discountParsing((data.part ?? data.frag).stats));
    hls.on(Events.FPS_DROP_LEVEL_CAPPING, () => {
      clearTimeout(this.#capTimer);
      this.#capTimer = setTimeout(() => (hls.autoLevelCapping = -1), capSeconds * 1000);
    });
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
    const fixed = this.#rungs.findIndex((rung) => rung.name === this.#options.rung);
    if (fixed >= 0) this.hls.startLevel = this.hls.loadLevel = fixed;
    this.#options.events.onRungs(this.#rungs);
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
    if (moved !== 0) this.hls.logger.warn(`[starling] moved the ${kind} playlist by ${moved.toFixed(3)} s to its place`);
    this.#mend(details);
  }

  #forgetPlaylists(): void {
    this.#details.clear();
    this.#book.clear();
    this.#timeline.clear();
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
    this.#hasStarted = true;
    this.#keeper.noteStart(performance.now() / 1000);
  }

  /** Where playback should be now. */
  #livePosition(): number | undefined {
    const details = this.hls.latestLevelDetails;
    if (details === null || !details.live) return undefined;
    const target = this.#target ?? this.#options.latency ?? this.hls.targetLatency;
    if (target === null) return undefined;
    return Math.max(details.edge + details.age - target, details.fragmentStart);
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
