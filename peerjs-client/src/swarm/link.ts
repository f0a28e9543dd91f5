import type { Clock } from '../clock.js';
import type { LostReason } from '../tracker/messages.js';
import type { Bytes } from '../wire/bytes.js';
import { encodeFrame, parseFrame, PEER_VERSION, Reason, type Frame, type UnknownFrame } from '../wire/peer-frames.js';
import type { ByteCounters } from './counters.js';

/** A link that is not ready by then has failed. */
export const CONNECT_TIMEOUT_MS = 4_000;
/** PING after so long without a received frame. */
const QUIET_MS = 2_000;
/** A link silent for so long is gone. */
const SILENT_MS = 5_000;
/** How often the round trip is measured while frames flow. */
const MEASURE_MS = 10_000;

/** Why a link ended. */
export interface LinkEnd {
  /** For the tracker; undefined when the end was agreed and the pair is sound. */
  readonly lost: LostReason | undefined;
  readonly why: string;
}

export interface LinkEvents {
  onReady(link: Link): void;
  /** A frame other than HELLO, PING, PONG and BYE. `message` is the whole received frame. */
  onFrame(link: Link, frame: Frame, message: Bytes): void;
  onEnd(link: Link, end: LinkEnd): void;
  /** A round trip was measured. */
  onRoundTrip?(link: Link, ms: number): void;
  /** The send buffer has room again. */
  onDrain(link: Link): void;
}

export interface LinkContext {
  readonly clock: Clock;
  readonly stream: string;
  /** This viewer's id. */
  readonly selfId: string;
  readonly counters: ByteCounters;
  readonly events: LinkEvents;
}

/**
 * One conversation in the peer protocol, whatever carries it: HELLO, liveness
 * and BYE are handled here, the rest is passed up. Events are given at most
 * until onEnd, which comes exactly once unless close() was called.
 */
export abstract class Link {
  private phase: 'connecting' | 'ready' | 'closed' = 'connecting';
  private isGreeted = false;
  private heardAt: number;
  private pingAt = 0;
  private isPinged = false;
  private tickAt: number;
  private readonly token: Bytes = crypto.getRandomValues(new Uint8Array(8));
  /** Media bytes of chunks received and sent. */
  receivedBytes = 0;
  sentBytes = 0;
  /** Round trip in ms, smoothed; undefined before the first PONG. */
  rttMs: number | undefined;
  /** Time from the beginning to ready. */
  connectMs: number | undefined;
  readonly createdAt: number;

  constructor(readonly id: string, readonly kind: 'peer' | 'feed', protected readonly context: LinkContext) {
    this.createdAt = this.heardAt = this.tickAt = context.clock.now();
  }

  get state(): 'connecting' | 'ready' | 'closed' {
    return this.phase;
  }

  get isReady(): boolean {
    return this.phase === 'ready';
  }

  /** Whether chunks must wait in the queue: the send buffer is full, or the carrier is not there. */
  abstract get isCongested(): boolean;

  /** Bytes of chunks that wait in the send buffer. */
  abstract get bufferedBytes(): number;

  /** Measures the round trip now, unless an answer is awaited. */
  probe(now: number): void {
    if (this.phase === 'ready' && (!this.isPinged || now - this.pingAt >= QUIET_MS)) this.ping(now);
  }

  /** Takes the other side for gone. */
  giveUp(why: string): void {
    this.end('timeout', why);
  }

  /** When any frame came last. */
  get lastHeardAt(): number {
    return this.heardAt;
  }

  /** Sends a frame on the ordered carrier; dropped when it is not open. */
  send(frame: Exclude<Frame, UnknownFrame>): void {
    if (this.phase === 'closed') return;
    this.sendControl(encodeFrame(frame));
  }

  /** Sends an encoded frame other than CHUNK. */
  sendControl(message: Bytes): void {
    if (this.transmit(message)) this.context.counters.controlBytes += message.length;
  }

  /** Sends an encoded CHUNK with `mediaBytes` of payload. */
  sendChunk(message: Bytes, mediaBytes: number): void {
    if (!this.transmitChunk(message)) return;
    this.sentBytes += mediaBytes;
    this.context.counters.sentBytes += mediaBytes;
  }

  /** Says BYE and closes; no event follows. */
  close(reason: number = Reason.leaving, text = ''): void {
    if (this.phase === 'closed') return;
    if (this.isOpen()) this.send({ type: 'bye', reason, text });
    this.phase = 'closed';
    this.shut();
  }

  /** Notices silence; to be called a few times a second. */
  tick(now: number): void {
    if (this.phase === 'closed') return;
    // The page was suspended: it is not the other side that was silent.
    if (now - this.tickAt > QUIET_MS) this.heardAt = Math.max(this.heardAt, now - QUIET_MS);
    this.tickAt = now;
    if (this.phase === 'connecting' || !this.isGreeted) {
      if (now - this.createdAt >= CONNECT_TIMEOUT_MS) this.end('connect-failed', `not connected after ${CONNECT_TIMEOUT_MS} ms`);
      return;
    }
    const quiet = now - this.heardAt;
    if (quiet >= SILENT_MS) this.end('timeout', `silent for ${SILENT_MS} ms`);
    else if (now - this.pingAt >= (quiet >= QUIET_MS ? QUIET_MS : MEASURE_MS)) this.ping(now);
  }

  /** The carrier opened: says HELLO. What is wanted follows at once, since the other side's HELLO may be a round trip later. */
  protected opened(): void {
    if (this.phase !== 'connecting') return;
    this.send({ type: 'hello', version: PEER_VERSION, features: 0, id: this.context.selfId, stream: this.context.stream });
    this.phase = 'ready';
    this.connectMs = this.context.clock.now() - this.createdAt;
    if (this.isGreeted) this.ping(this.context.clock.now());
    this.context.events.onReady(this);
  }

  /** Takes a message off the carrier. */
  protected received(data: unknown): void {
    if (this.phase === 'closed') return;
    this.heardAt = this.context.clock.now();
    const message = data instanceof ArrayBuffer ? new Uint8Array(data) : undefined;
    const frame = message === undefined ? undefined : parseFrame(message);
    if (frame === undefined || message === undefined) {
      this.refuse(Reason.protocol, 'malformed frame');
      return;
    }
    if (frame.type === 'chunk') this.receivedBytes += frame.data.length;
    else this.context.counters.controlBytes += message.length;
    this.handle(frame, message);
  }

  /** The carrier closed or failed. */
  protected dropped(why: string): void {
    this.end(this.isGreeted ? 'closed' : 'connect-failed', why);
  }

  /** Whether the carrier takes messages. */
  protected abstract isOpen(): boolean;
  protected abstract transmit(message: Bytes): boolean;
  protected abstract transmitChunk(message: Bytes): boolean;
  /** Closes the carrier and detaches from it. */
  protected abstract shut(): void;

  private handle(frame: Frame, message: Bytes): void {
    switch (frame.type) {
      case 'hello':
        this.greet(frame.version, frame.id, frame.stream);
        return;
      case 'ping':
        this.send({ type: 'pong', token: frame.token });
        return;
      case 'pong':
        this.measure(frame.token);
        return;
      case 'bye': {
        const isSound = frame.reason === Reason.leaving || frame.reason === Reason.none;
        this.end(isSound ? undefined : 'closed', `BYE ${frame.reason} ${frame.text}`.trim());
        return;
      }
      case 'unknown':
        return;
      default:
        // The two channels are not ordered against each other: a chunk may
        // overtake HELLO. DTLS has shown who sent it, so it is taken.
        if (this.isGreeted || frame.type === 'chunk') this.context.events.onFrame(this, frame, message);
        else this.refuse(Reason.protocol, 'HELLO comes first');
    }
  }

  private greet(version: number, id: string, stream: string): void {
    if (this.isGreeted) return;
    if (version < 1) this.refuse(Reason.version, `version ${version}`);
    else if (stream !== this.context.stream) this.refuse(Reason.wrongStream, 'another stream');
    else if (id !== this.id) this.refuse(Reason.protocol, 'another id than the tracker gave');
    else {
      this.isGreeted = true;
      if (this.phase === 'ready') this.ping(this.context.clock.now());
    }
  }

  private ping(now: number): void {
    this.pingAt = now;
    this.isPinged = true;
    this.send({ type: 'ping', token: this.token });
  }

  private measure(token: Bytes): void {
    if (!this.isPinged || token.some((b, i) => b !== this.token[i])) return;
    this.isPinged = false;
    const rtt = this.context.clock.now() - this.pingAt;
    this.context.events.onRoundTrip?.(this, rtt);
    this.rttMs = this.rttMs === undefined ? rtt : this.rttMs + (rtt - this.rttMs) / 4;
  }

  private refuse(reason: number, text: string): void {
    if (this.isOpen()) this.send({ type: 'bye', reason, text });
    this.end('closed', text);
  }

  private end(lost: LostReason | undefined, why: string): void {
    if (this.phase === 'closed') return;
    this.phase = 'closed';
    this.shut();
    this.context.events.onEnd(this, { lost, why });
  }
}
