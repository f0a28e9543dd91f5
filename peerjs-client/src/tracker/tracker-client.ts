import { fullJitter, type Clock, type Timer } from '../clock.js';
import { discardSocket, SOCKET_OPEN, type WebSocketFactory, type WebSocketLike } from '../socket.js';
import {
  parseTrackerMessage, TRACKER_SUBPROTOCOL, TRACKER_VERSION,
  type Assign, type Beacon, type LostReason, type SignalData, type ViewerMessage, type Welcome,
} from './messages.js';

/** What the tracker tells the engine. */
export interface TrackerEvents {
  onWelcome(welcome: Welcome): void;
  onAssign(assign: Assign): void;
  onSignal(from: string, data: SignalData): void;
  onBan(peer: string): void;
  /** The connection ended or an error came; `isFinal` when no further attempt is made. */
  onDown(why: string, isFinal: boolean): void;
}

export interface TrackerOptions {
  /** ws(s) address. */
  readonly url: string;
  readonly stream: string;
  /** Random, one a page: a re-join with it replaces the old session. */
  readonly session: string;
  /** bit/s at the time of a join; 0: will not upload. */
  readonly uplink: () => number;
  /** Short family name. */
  readonly browser: string;
  readonly token?: string;
  readonly clock: Clock;
  readonly createSocket: WebSocketFactory;
  readonly random: () => number;
  /** Counters for a beacon. */
  readonly beacon: () => Beacon;
  readonly events: TrackerEvents;
}

/** Errors after which a re-join would only meet the same answer. */
const FINAL_ERRORS: readonly string[] = ['version', 'banned'];
/** A tracker that does not welcome by then is taken as away. */
const WELCOME_TIMEOUT_MS = 10_000;

/**
 * One viewer's connection to the tracker (docs/tracker.md). It comes back by
 * itself with jitter, and its absence disturbs nothing: what cannot be sent is
 * dropped, since a re-join says everything that still matters.
 */
export class TrackerClient {
  private socket: WebSocketLike | undefined;
  private isWelcome = false;
  private attempt = 0;
  private tracks: readonly string[] | undefined;
  /** The tracks that the join named. */
  private joined: readonly string[] | undefined;
  private retryTimer: Timer;
  private beaconTimer: Timer;
  private isClosed = false;

  private url: string;

  constructor(private readonly o: TrackerOptions) {
    this.url = o.url;
  }

  /** Whether the tracker has welcomed this connection. */
  get connected(): boolean {
    return this.isWelcome;
  }

  /** Connects ahead of {@link start}, once: what the join says is not known yet. */
  prepare(): void {
    this.connect();
  }

  /** @param url - when it is another one after all. */
  start(tracks: readonly string[], url = this.url): void {
    if (url !== this.url) this.drop();
    this.url = url;
    this.tracks = tracks;
    if (this.socket === undefined) this.connect();
    else if (this.socket.readyState === SOCKET_OPEN) this.join();
  }

  setTracks(tracks: readonly string[]): void {
    if (this.tracks === undefined) return; // start() will say
    this.tracks = tracks;
    if (this.isWelcome) this.send({ type: 'tracks', tracks });
  }

  signal(to: string, data: SignalData): void {
    this.send({ type: 'signal', to, data });
  }

  lost(peer: string, reason: LostReason): void {
    this.send({ type: 'lost', peer, reason });
  }

  /** Sends a beacon ahead of its time; the others keep theirs. */
  beaconNow(): void {
    if (this.isWelcome) this.send({ type: 'beacon', ...this.o.beacon() });
  }

  report(peer: string, track: string, msn: number, index: number, chunk: number): void {
    this.send({ type: 'report', peer, track, msn, index, chunk });
  }

  /** Sends a last beacon and `leave`, and closes for good. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.isWelcome) {
      this.send({ type: 'beacon', ...this.o.beacon() });
      this.send({ type: 'leave' });
    }
    this.drop();
  }

  private connect(): void {
    if (this.isClosed) return;
    let socket: WebSocketLike;
    try {
      socket = this.o.createSocket(this.url, TRACKER_SUBPROTOCOL);
    } catch (error) {
      this.retry(`tracker address ${this.url}: ${String(error)}`);
      return;
    }
    this.socket = socket;
    this.retryTimer = this.o.clock.setTimeout(() => this.retry('no welcome from the tracker'), WELCOME_TIMEOUT_MS);
    socket.onopen = () => this.join();
    socket.onmessage = (event) => this.receive(event.data);
    socket.onerror = () => undefined; // a close event follows
    socket.onclose = (event) => this.retry(`tracker closed (${event.code}${event.reason === '' ? '' : `, ${event.reason}`})`);
  }

  private join(): void {
    const { stream, uplink, browser, session, token } = this.o;
    if (this.tracks === undefined) return;
    this.joined = this.tracks;
    this.send({
      type: 'join', version: TRACKER_VERSION, stream, tracks: this.tracks, uplink: uplink(), browser, session,
      ...(token === undefined ? {} : { token }),
    });
  }

  private receive(data: unknown): void {
    const m = parseTrackerMessage(data);
    switch (m?.type) {
      case 'welcome':
        this.welcomed(m);
        return;
      case 'assign':
        this.o.events.onAssign(m);
        return;
      case 'signal':
        this.o.events.onSignal(m.from, m.data);
        return;
      case 'ban':
        this.o.events.onBan(m.peer);
        return;
      case 'error':
        this.failed(m.code, m.message);
        return;
      case undefined:
        return; // of a later version, or malformed: ignored
    }
  }

  private welcomed(m: Welcome): void {
    this.o.clock.clearTimeout(this.retryTimer);
    this.isWelcome = true;
    this.attempt = 0;
    this.o.events.onWelcome(m);
    if (this.tracks !== undefined && this.tracks !== this.joined) this.setTracks(this.tracks); // other ones since the join
    this.scheduleBeacon(m.beaconMs);
  }

  private scheduleBeacon(ms: number): void {
    this.o.clock.clearTimeout(this.beaconTimer);
    this.beaconTimer = this.o.clock.setTimeout(() => {
      this.send({ type: 'beacon', ...this.o.beacon() });
      this.scheduleBeacon(ms);
    }, ms);
  }

  private failed(code: string, message: string): void {
    const why = `tracker: ${code} ${message}`.trim();
    if (FINAL_ERRORS.includes(code)) {
      this.isClosed = true;
      this.drop();
      this.o.events.onDown(why, true);
    } else if (this.isWelcome) {
      this.o.events.onDown(why, false); // about one message; the session goes on
    } else {
      this.retry(why);
    }
  }

  private retry(why: string): void {
    this.drop();
    if (this.isClosed || this.tracks === undefined) return;
    const ms = fullJitter(this.attempt++, this.o.random);
    this.retryTimer = this.o.clock.setTimeout(() => this.connect(), ms);
    this.o.events.onDown(why, false);
  }

  private drop(): void {
    this.o.clock.clearTimeout(this.retryTimer);
    this.o.clock.clearTimeout(this.beaconTimer);
    this.isWelcome = false;
    if (this.socket !== undefined) discardSocket(this.socket);
    this.socket = undefined;
  }

  private send(m: ViewerMessage): void {
    if (this.socket?.readyState === SOCKET_OPEN) this.socket.send(JSON.stringify(m));
  }
}
