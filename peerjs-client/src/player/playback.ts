/**
 * Plays one stream on a media element for as long as the page wants it: starts a session, mends what breaks, waits for
 * a stream that is not live, and comes back when an ended one returns.
 */
import Hls from 'hls.js';
import { Backoff } from '../hls/backoff';
import { bufferedEnd } from '../hls/buffered';
import { remedy, type PlaybackFault } from '../hls/error-policy';
import { HlsSession } from '../hls/hls-session';
import { locatePlaylist, locateStream, type StreamLocation } from '../hls/media-url';
import { canPlayNatively, NativeSession } from '../hls/native-session';
import type { Rung, Session, SessionEvents } from '../hls/session';
import { probeStream } from '../hls/stream-probe';
import { quietly, type SwarmPort } from '../hls/swarm-port';
import { browserNetworkType, guessBandwidth, pageMemory, rememberBandwidth } from './bandwidth-memory';
import * as notices from './notices';
import { PlaybackMeter } from './playback-meter';
import type { PlayerOptions } from './player-options';
import type { PlayerState } from './stats';

/** Makes a swarm engine for a stream, or undefined where there can be none. May throw. */
export type SwarmFactory = (location: StreamLocation, options: PlayerOptions) => SwarmPort | undefined;

/** What the element is told. */
export interface PlaybackEvents {
  onState(state: PlayerState, notice: notices.Notice | undefined): void;
  onRungs(rungs: readonly Rung[]): void;
  onRung(rung: Rung | undefined): void;
  onStall(ms: number): void;
  onStarted(startupMs: number): void;
  onSwarmFailure(error: unknown): void;
  /** A session was made: the element may be asked to play. */
  onSession(): void;
}

const tickMs = 100;
/** A stall this long will not end by itself. */
const stuckMs = 8000;
/** Playing this long without a fault forgives earlier ones. */
const calmMs = 8000;
/** Media recoveries older than this do not count. */
const mediaMemoryMs = 10_000;

/** Owns the session, the timers and the polling. */
export class Playback {
  readonly #video: HTMLVideoElement;
  readonly #options: PlayerOptions;
  readonly #location: StreamLocation | undefined;
  readonly #playlistUrl: string | undefined;
  readonly #createSwarm: SwarmFactory;
  readonly #events: PlaybackEvents;
  readonly #meter: PlaybackMeter;
  readonly #listening = new AbortController();
  readonly #reloadBackoff = new Backoff({ first: 300, max: 5000 });
  #session: Session | undefined;
  #sessionLife: AbortController | undefined;
  #state: PlayerState = 'idle';
  #ticker: ReturnType<typeof setInterval> | undefined;
  #polling: AbortController | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #mediaRecoveries: number[] = [];
  #networkRestarts = 0;
  #calmSince = 0;
  #stalledSince: number | undefined;
  #droppedBefore = 0;
  #rung: string | undefined;

  constructor(video: HTMLVideoElement, options: PlayerOptions, createSwarm: SwarmFactory, events: PlaybackEvents) {
    this.#video = video;
    this.#options = options;
    this.#rung = options.rung;
    this.#createSwarm = createSwarm;
    this.#events = events;
    this.#location = locate(options);
    this.#playlistUrl = this.#location?.playlistUrl ?? options.src;
    this.#meter = new PlaybackMeter(performance.now(), (ms) => this.#onStallEnd(ms));
  }

  get state(): PlayerState {
    return this.#state;
  }

  get session(): Session | undefined {
    return this.#session;
  }

  get meter(): PlaybackMeter {
    return this.#meter;
  }

  /** The swarm of the present session. */
  get swarm(): SwarmPort | undefined {
    return this.#session instanceof HlsSession ? this.#session.swarm : undefined;
  }

  get location(): StreamLocation | undefined {
    return this.#location;
  }

  /** Seconds buffered ahead of the playhead. */
  get buffer(): number {
    const end = bufferedEnd(this.#video.buffered, this.#video.currentTime);
    return end === undefined ? 0 : end - this.#video.currentTime;
  }

  get droppedFrames(): number {
    return this.#video.getVideoPlaybackQuality().droppedVideoFrames;
  }

  /** Begins. */
  start(): void {
    const { signal } = this.#listening;
    const now = () => performance.now();
    for (const name of ['playing', 'pause', 'play', 'timeupdate'] as const) this.#video.addEventListener(name, () => this.#tick(), { signal });
    this.#video.addEventListener('waiting', () => this.#meter.noteWaiting(now(), this.#video), { signal });
    this.#watchFirstFrame();
    this.#ticker = setInterval(() => this.#tick(), tickMs);
    this.#load();
  }

  /** Stays on a rung, across reloads too; undefined leaves the choice to the player. */
  fixRung(name: string | undefined): void {
    this.#rung = name;
    this.#session?.fixRung(name);
  }

  /** Tries again now: the viewer asked. */
  retry(): void {
    this.#reloadBackoff.reset();
    this.#networkRestarts = 0;
    this.#load();
  }

  destroy(): void {
    this.#listening.abort();
    clearInterval(this.#ticker);
    this.#stopWaiting();
    this.#endSession();
  }

  #load(): void {
    this.#stopWaiting();
    this.#endSession();
    this.#meter.restart(performance.now());
    const url = this.#playlistUrl;
    if (url === undefined) {
      this.#setState('failed', notices.noStream);
      return;
    }
    this.#setState('loading', undefined);
    if (Hls.isSupported()) {
      this.#session = this.#makeHlsSession(url);
    } else if (canPlayNatively(this.#video)) {
      this.#session = new NativeSession(this.#video, url, this.#sessionEvents());
    } else {
      this.#setState('failed', notices.unsupported);
      return;
    }
    this.#events.onSession();
  }

  #makeHlsSession(playlistUrl: string): Session {
    return new HlsSession({
      video: this.#video,
      playlistUrl,
      stream: this.#location?.stream,
      swarm: this.#makeSwarm(),
      bandwidth: guessBandwidth(pageMemory(), browserNetworkType()),
      rung: this.#rung,
      latency: this.#options.latency,
      debug: this.#options.debug,
      events: this.#sessionEvents(),
      onSwarmFailure: (error) => this.#events.onSwarmFailure(error),
    });
  }

  #makeSwarm(): SwarmPort | undefined {
    if (this.#location === undefined) return undefined;
    try {
      return this.#createSwarm(this.#location, this.#options);
    } catch (error) {
      this.#events.onSwarmFailure(error);
      return undefined;
    }
  }

  /** Events of a session that is no longer the present one are dropped. */
  #sessionEvents(): SessionEvents {
    const { signal } = (this.#sessionLife = new AbortController());
    const isPresent = () => !signal.aborted;
    return {
      onRungs: (rungs) => isPresent() && this.#events.onRungs(rungs),
      onRung: (rung) => isPresent() && this.#events.onRung(rung),
      onEnded: () => isPresent() && this.#onEnded(),
      onFault: (fault, message) => isPresent() && this.#onFault(fault, message),
    };
  }

  #onFault(fault: PlaybackFault, message: string): void {
    const now = performance.now();
    this.#mediaRecoveries = this.#mediaRecoveries.filter((at) => now - at < mediaMemoryMs);
    const attempts = { media: this.#mediaRecoveries.length, network: this.#networkRestarts, reloads: this.#reloadBackoff.attempts };
    const chosen = remedy(fault, attempts);
    if (chosen !== 'ignore' && chosen !== 'stall') this.#calmSince = now;
    switch (chosen) {
      case 'ignore':
      case 'stall':
        return;
      case 'recover-media':
        this.#mediaRecoveries.push(now);
        this.#session?.recover('recover-media');
        void this.#video.play().catch(() => undefined); // the element decides about autoplay, not this
        return;
      case 'restart-load':
        this.#networkRestarts++;
        this.#session?.recover('restart-load');
        return;
      case 'wait':
        this.#endSession();
        this.#waitUntilLive('waiting', fault.status === undefined ? notices.unreachable : notices.notLiveYet);
        return;
      case 'reload':
        this.#reload();
        return;
      case 'give-up':
        this.#endSession();
        this.#setState('failed', notices.broken(message));
    }
  }

  #reload(): void {
    this.#endSession();
    this.#setState('loading', notices.reconnecting);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#load(), this.#reloadBackoff.next());
  }

  #onEnded(): void {
    // The last picture stays until the stream comes back.
    this.#waitUntilLive('ended', notices.streamEnded);
  }

  #waitUntilLive(state: 'waiting' | 'ended', notice: notices.Notice): void {
    this.#stopWaiting();
    this.#setState(state, notice);
    const polling = new AbortController();
    this.#polling = polling;
    void this.#poll(polling.signal, state);
  }

  async #poll(signal: AbortSignal, state: 'waiting' | 'ended'): Promise<void> {
    const url = this.#playlistUrl;
    if (url === undefined) return;
    const target = { catalogUrl: this.#location === undefined ? undefined : `${this.#location.baseUrl}catalog.json`, playlistUrl: url };
    const backoff = new Backoff({ first: 500, max: 4000 });
    for (;;) {
      await new Promise((resolve) => {
        this.#retryTimer = setTimeout(resolve, backoff.next());
      });
      if (signal.aborted) return;
      const found = await probeStream(target, signal);
      if (signal.aborted) return;
      if (found === 'live') {
        this.#load();
        return;
      }
      if (state === 'waiting') this.#setState(state, found === 'unreachable' ? notices.unreachable : found === 'ended' ? notices.streamEnded : notices.notLiveYet);
    }
  }

  #stopWaiting(): void {
    clearTimeout(this.#retryTimer);
    this.#polling?.abort();
    this.#polling = undefined;
  }

  #endSession(): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    this.#sessionLife?.abort();
    if (session.bandwidth !== undefined && this.#meter.startup !== undefined) rememberBandwidth(pageMemory(), session.bandwidth);
    session.destroy();
  }

  #tick(): void {
    const now = performance.now();
    const hasStarted = this.#meter.tick(now, this.#video);
    const session = this.#session;
    session?.tick();
    if (hasStarted && this.#meter.startup !== undefined) {
      const startup = this.#meter.startup;
      this.#calmSince = now;
      this.#toSwarm((swarm) => swarm.noteStartup(startup));
      this.#events.onStarted(startup);
    }
    this.#reportDroppedFrames();
    this.#followElement(now);
  }

  #followElement(now: number): void {
    if (this.#session === undefined || this.#state === 'ended' || this.#state === 'waiting' || this.#state === 'failed') return;
    const isStalled = this.#meter.isStalled(now);
    this.#stalledSince = isStalled ? (this.#stalledSince ?? now) : undefined;
    if (isStalled) {
      this.#calmSince = now;
      this.#setState('stalled', undefined);
      if (this.#stalledSince !== undefined && now - this.#stalledSince > stuckMs) {
        this.#stalledSince = undefined;
        this.#reload();
      }
      return;
    }
    if (this.#video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    this.#setState(this.#video.paused ? 'paused' : 'playing', undefined);
    if (!this.#video.paused && now - this.#calmSince > calmMs) {
      this.#networkRestarts = 0;
      this.#reloadBackoff.reset();
    }
  }

  #onStallEnd(ms: number): void {
    this.#session?.noteStall(ms);
    this.#events.onStall(ms);
  }

  #reportDroppedFrames(): void {
    const dropped = this.droppedFrames;
    if (dropped === this.#droppedBefore) return;
    this.#droppedBefore = dropped;
    this.#toSwarm((swarm) => swarm.noteDroppedFrames(dropped));
  }

  #toSwarm(call: (swarm: SwarmPort) => void): void {
    const { swarm } = this;
    if (swarm !== undefined) quietly(() => call(swarm), (error) => this.#events.onSwarmFailure(error));
  }

  #setState(state: PlayerState, notice: notices.Notice | undefined): void {
    if (state === this.#state && notice === undefined && state !== 'loading') return;
    this.#state = state;
    this.#events.onState(state, notice);
  }

  /** Start-up is measured at the frame, not at the next tick. */
  #watchFirstFrame(): void {
    const { signal } = this.#listening;
    if (!('requestVideoFrameCallback' in this.#video)) return;
    const onFrame = () => {
      if (signal.aborted) return;
      this.#tick();
      if (this.#meter.startup === undefined) this.#video.requestVideoFrameCallback(onFrame);
    };
    this.#video.requestVideoFrameCallback(onFrame);
  }
}

function locate(options: PlayerOptions): StreamLocation | undefined {
  const page = globalThis.location.href;
  if (options.src !== undefined) return locatePlaylist(new URL(options.src, page).href);
  if (options.stream === undefined) return undefined;
  return locateStream(new URL(options.base ?? '/', page).href, options.stream);
}
