/**
 * `<starling-player>`: a live player that shares what it plays with other viewers.
 *
 * Attributes: `stream` (`APP/NAME`) with `base` (address of the edge), or `src` (a playlist URL); `autoplay`, `muted`,
 * `controls`, `stats` (overlay open); `p2p="off"`, `feed="off"`, `uplink` (bit/s, `2.5M`), `level` (rung to stay on),
 * `latency` (seconds), `tracker` (address).
 */
import type Hls from 'hls.js';
import { HlsSession } from '../hls/hls-session';
import type { Rung } from '../hls/session';
import type { SwarmPort } from '../hls/swarm-port';
import { keyAction, type KeyAction } from './keyboard';
import type { Notice } from './notices';
import { Playback, type SwarmFactory } from './playback';
import { optionsFromAttributes } from './player-options';
import { RateMeter } from './rate-meter';
import { offloadOf, type PlayerState, type PlayerStats, type SwarmStats } from './stats';
import { PlayerView } from './view';

/** How the element comes by a swarm; set once by the bundle's entry point. */
export interface SwarmProvider {
  readonly create: SwarmFactory;
  read(swarm: SwarmPort): SwarmStats | undefined;
  /** False where the browser has no WebRTC. */
  readonly isAvailable: boolean;
}

/** Events that the element sends; all bubble and cross shadow boundaries. */
export interface StarlingEventMap {
  'starling-state': CustomEvent<{ readonly state: PlayerState }>;
  'starling-stats': CustomEvent<PlayerStats>;
  'starling-stall': CustomEvent<{ readonly ms: number }>;
  'starling-started': CustomEvent<{ readonly ms: number }>;
  'starling-level': CustomEvent<{ readonly level: Rung | undefined }>;
  /** The swarm failed and playback went on without it. */
  'starling-swarm-failure': CustomEvent<{ readonly error: unknown }>;
}

const statsMs = 1000;
/** Nearer than this to the target counts as live. */
const liveSlack = 1.5;
const sourceAttributes = ['src', 'stream', 'base', 'p2p', 'feed', 'uplink', 'level', 'latency', 'tracker'];

/** The element. */
export class StarlingPlayer extends HTMLElement {
  static readonly observedAttributes = [...sourceAttributes, 'muted', 'controls', 'stats'];
  /** Given by the bundle; without it the player uses HTTP only. */
  static swarm: SwarmProvider | undefined;

  readonly #view: PlayerView;
  readonly #rates = new RateMeter();
  #playback: Playback | undefined;
  #notice: Notice | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isReloadPending = false;
  #wantsToPlay = false;
  #isStartBlocked = false;
  #wasMutedByPolicy = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open', delegatesFocus: false });
    this.#view = new PlayerView(root, {
      togglePlay: () => (this.paused ? void this.play() : this.pause()),
      toggleMute: () => (this.muted = !this.muted),
      setVolume: (volume) => {
        this.volume = volume;
        this.muted = volume === 0;
      },
      goLive: () => this.goLive(),
      toggleMenu: () => (this.#view.menu.isOpen ? this.#view.menu.close() : this.#view.menu.open()),
      toggleStats: () => this.toggleAttribute('stats'),
      togglePictureInPicture: () => void this.#togglePictureInPicture().catch(() => undefined), // the browser may refuse; nothing is lost
      toggleFullScreen: () => void this.#toggleFullScreen().catch(() => undefined),
      unmute: () => (this.muted = false),
      retry: () => this.#playback?.retry(),
      chooseRung: (name) => (this.level = name ?? 'auto'),
    });
    const { video } = this.#view;
    for (const name of ['play', 'pause', 'playing', 'volumechange', 'waiting', 'seeked'] as const) video.addEventListener(name, () => this.#refresh());
    video.addEventListener('play', () => this.#onPlay());
    this.addEventListener('keydown', (event) => this.#onKey(event));
    this.addEventListener('fullscreenchange', () => this.#refresh());
  }

  connectedCallback(): void {
    if (!this.hasAttribute('tabindex')) this.tabIndex = 0;
    this.#view.video.muted = this.hasAttribute('muted');
    this.#wantsToPlay = this.hasAttribute('autoplay');
    this.#view.hasControls = this.hasAttribute('controls');
    this.#timer = setInterval(() => this.#report(), statsMs);
    this.reload();
  }

  disconnectedCallback(): void {
    clearInterval(this.#timer);
    this.#view.rest();
    this.#playback?.destroy();
    this.#playback = undefined;
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after || !this.isConnected) return;
    if (name === 'muted') this.#view.video.muted = after !== null;
    else if (name === 'controls') this.#view.hasControls = after !== null;
    else if (name === 'stats') this.#refresh();
    else this.#scheduleReload();
  }

  /** The media element inside. */
  get video(): HTMLVideoElement {
    return this.#view.video;
  }

  /** The swarm engine, while one is in use. */
  get engine(): SwarmPort | undefined {
    return this.#playback?.swarm;
  }

  /** The hls.js instance, while one is in use. */
  get hls(): Hls | undefined {
    const session = this.#playback?.session;
    return session instanceof HlsSession ? session.hls : undefined;
  }

  get state(): PlayerState {
    return this.#playback?.state ?? 'idle';
  }

  get paused(): boolean {
    return this.#view.video.paused;
  }

  get muted(): boolean {
    return this.#view.video.muted;
  }

  set muted(value: boolean) {
    this.#view.video.muted = value;
    if (!value) this.#wasMutedByPolicy = false;
    this.#refresh();
  }

  /** 0 to 1. */
  get volume(): number {
    return this.#view.video.volume;
  }

  set volume(value: number) {
    this.#view.video.volume = Math.min(Math.max(value, 0), 1);
  }

  get stream(): string | null {
    return this.getAttribute('stream');
  }

  set stream(value: string | null) {
    if (value === null) this.removeAttribute('stream');
    else this.setAttribute('stream', value);
  }

  /** The ladder. */
  get levels(): readonly Rung[] {
    return this.#playback?.session?.rungs ?? [];
  }

  /** Name of the fixed rung, or `auto`. */
  get level(): string {
    return this.#playback?.session?.fixedRung ?? 'auto';
  }

  set level(name: string) {
    this.#playback?.fixRung(name === 'auto' ? undefined : name);
    this.#refresh();
  }

  /** Seconds from capture to screen; undefined while unknown. */
  get latency(): number | undefined {
    return this.#playback?.session?.latency;
  }

  /** Starts playback; muted when the browser allows it only so. */
  async play(): Promise<void> {
    this.#wantsToPlay = true;
    const { video } = this.#view;
    try {
      await video.play();
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== 'NotAllowedError') return; // AbortError: a new source came
      if (video.muted) {
        this.#isStartBlocked = true;
      } else {
        video.muted = true;
        this.#wasMutedByPolicy = true;
        await video.play().catch(() => (this.#isStartBlocked = true));
      }
    }
    this.#refresh();
  }

  pause(): void {
    this.#wantsToPlay = false;
    this.#view.video.pause();
  }

  /** Jumps to the live edge and plays. */
  goLive(): void {
    this.#playback?.session?.goLive();
    if (this.paused) void this.play();
  }

  /** Starts over with the present attributes. */
  reload(): void {
    this.#isReloadPending = false;
    this.#playback?.destroy();
    const playback = new Playback(this.#view.video, optionsFromAttributes(this), (location, options) => StarlingPlayer.swarm?.create(location, options), {
      onState: (state, notice) => {
        this.#notice = notice;
        this.#send('starling-state', { state });
        this.#refresh();
      },
      onRungs: (rungs) => {
        this.#view.menu.setRungs(rungs);
        this.#refresh();
      },
      onRung: (level) => {
        this.#send('starling-level', { level });
        this.#refresh();
      },
      onStall: (ms) => this.#send('starling-stall', { ms }),
      onStarted: (ms) => this.#send('starling-started', { ms }),
      onSwarmFailure: (error) => {
        console.warn('starling: the swarm failed, playing from the edge', error);
        this.#send('starling-swarm-failure', { error });
      },
      onSession: () => this.#wantsToPlay && void this.play(),
    });
    this.#playback = playback;
    playback.start();
    this.#refresh();
  }

  /** All figures now. */
  get stats(): PlayerStats {
    const playback = this.#playback;
    const session = playback?.session;
    const provider = StarlingPlayer.swarm;
    const fromSwarm = this.#readSwarm();
    const bytes = fromSwarm?.bytes ?? { ...(session?.bytes ?? { peer: 0, feed: 0, edge: 0 }), sent: 0 };
    const meter = playback?.meter;
    return {
      state: this.state,
      latency: session?.latency,
      targetLatency: session?.targetLatency,
      buffer: playback?.buffer ?? 0,
      playbackRate: this.#view.video.playbackRate,
      rung: session?.rung,
      isAutomatic: session?.fixedRung === undefined,
      bandwidth: session?.bandwidth,
      startup: meter?.startup,
      stalls: meter?.stalls ?? 0,
      stallMs: meter?.stallMs ?? 0,
      droppedFrames: playback?.droppedFrames ?? 0,
      bytes,
      rates: this.#rates.rates,
      offload: offloadOf(bytes),
      playlists: session?.playlists ?? { written: 0, loaded: 0 },
      p2p: !optionsFromAttributes(this).p2p ? 'off' : provider?.isAvailable === true && playback?.location !== undefined ? 'on' : 'unavailable',
      swarmState: fromSwarm?.state ?? '',
      peers: fromSwarm?.peers ?? [],
    };
  }

  /** The swarm's figures; a swarm that fails has none. */
  #readSwarm(): SwarmStats | undefined {
    const swarm = this.engine;
    try {
      return swarm === undefined ? undefined : StarlingPlayer.swarm?.read(swarm);
    } catch {
      return undefined; // its failures are reported where they touch playback
    }
  }

  #scheduleReload(): void {
    if (this.#isReloadPending) return;
    this.#isReloadPending = true;
    // Several attributes set in one go are one change.
    queueMicrotask(() => {
      if (this.#isReloadPending && this.isConnected) this.reload();
    });
  }

  #onPlay(): void {
    this.#isStartBlocked = false;
    const { latency, targetLatency } = this.#playback?.session ?? {};
    // A live player that was paused goes on live, not where it stood.
    if (latency !== undefined && targetLatency !== undefined && latency > targetLatency + 2 * liveSlack) this.#playback?.session?.goLive();
  }

  #report(): void {
    const { stats } = this;
    this.#rates.add(performance.now() / 1000, stats.bytes);
    this.#send('starling-stats', { ...stats, rates: this.#rates.rates });
    this.#refresh();
  }

  #refresh(): void {
    const { stats } = this;
    const view = this.#view;
    const { video } = view;
    const isWorking = stats.state === 'loading' || stats.state === 'stalled';
    view.messages.show({
      notice: this.#notice,
      isLoading: isWorking && (this.#wantsToPlay || stats.state === 'stalled'),
      needsStart: video.paused && (this.#isStartBlocked || (!this.#wantsToPlay && video.currentTime === 0)),
    });
    view.unmute.hidden = !(this.#wasMutedByPolicy && video.muted && !video.paused);
    view.overlay.isOpen = this.hasAttribute('stats');
    view.overlay.show(stats);
    view.menu.show(this.#playback?.session?.fixedRung, stats.rung);
    view.holdsOpen = video.paused;
    view.controls.show({
      isPaused: video.paused,
      isMuted: video.muted,
      volume: video.volume,
      latency: video.paused ? undefined : stats.latency,
      isAtEdge: !video.paused && stats.latency !== undefined && stats.latency < (stats.targetLatency ?? 3) + liveSlack,
      hasQualities: this.levels.length > 1,
      offload: stats.p2p === 'on' && stats.peers.length > 0 ? offloadOf(stats.rates) : undefined,
      isFullScreen: this.matches(':fullscreen'),
      isStatsOpen: view.overlay.isOpen,
      isMenuOpen: view.menu.isOpen,
    });
  }

  #onKey(event: KeyboardEvent): void {
    if (!this.hasAttribute('controls')) return;
    const focus = this.shadowRoot?.activeElement?.tagName ?? this.tagName;
    const action = keyAction(event, focus);
    if (action === undefined || (action === 'close' && !this.#view.menu.isOpen)) return;
    event.preventDefault();
    this.#perform(action);
  }

  #perform(action: KeyAction): void {
    switch (action) {
      case 'play': return this.paused ? void this.play() : this.pause();
      case 'mute': this.muted = !this.muted; return;
      case 'full-screen': return void this.#toggleFullScreen().catch(() => undefined);
      case 'stats': this.toggleAttribute('stats'); return;
      case 'live': return this.goLive();
      case 'picture': return void this.#togglePictureInPicture().catch(() => undefined);
      case 'louder': this.volume += 0.1; return;
      case 'softer': this.volume -= 0.1; return;
      case 'close': this.#view.menu.close();
    }
  }

  async #togglePictureInPicture(): Promise<void> {
    if (this.ownerDocument.pictureInPictureElement !== null) await this.ownerDocument.exitPictureInPicture();
    else await this.#view.video.requestPictureInPicture();
  }

  async #toggleFullScreen(): Promise<void> {
    if (this.ownerDocument.fullscreenElement !== null) await this.ownerDocument.exitFullscreen();
    else await this.requestFullscreen();
  }

  #send<K extends keyof StarlingEventMap>(name: K, detail: StarlingEventMap[K]['detail']): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'starling-player': StarlingPlayer;
  }
  interface HTMLElementEventMap extends StarlingEventMap {}
}
