import { fullJitter, type Clock } from '../clock.js';
import type { WebSocketFactory } from '../socket.js';
import { FeedLink } from './feed-link.js';
import type { LinkContext } from './link.js';

/** The feed is closed when no slice has come by it for so long. */
const IDLE_MS = 10_000;

export interface FeedOptions {
  readonly url: string;
  readonly createSocket: WebSocketFactory;
  readonly random: () => number;
  readonly clock: Clock;
  /** Context of a new link; its events must call {@link Feed.ended}. */
  context(): LinkContext;
}

/** The connection to the edge's feed: opened when wanted, with jittered pauses after a failure. */
export class Feed {
  private current: FeedLink | undefined;
  private attempt = 0;
  private retryAt = 0;
  private usedAt = 0;

  constructor(private readonly o: FeedOptions) {}

  get link(): FeedLink | undefined {
    return this.current;
  }

  /** Whether it works, is connecting, or may be tried now. */
  usable(now: number): boolean {
    return this.current !== undefined || now >= this.retryAt;
  }

  /** Opens it if it is not open; to be called while a slice comes by it. */
  want(now: number): void {
    this.usedAt = now;
    if (this.current !== undefined || now < this.retryAt) return;
    try {
      this.current = new FeedLink(this.o.url, this.o.createSocket, this.o.context());
    } catch {
      this.ended(now); // an address that the browser refuses, such as ws: on an https: page
    }
  }

  /** The link became ready. */
  ready(): void {
    this.attempt = 0;
  }

  /** The link ended. */
  ended(now: number): void {
    this.current = undefined;
    this.retryAt = now + 100 + fullJitter(this.attempt++, this.o.random);
  }

  /** Notices silence, and closes what nobody has wanted for long. */
  tick(now: number): void {
    this.current?.tick(now);
    if (now - this.usedAt >= IDLE_MS) this.close();
  }

  close(): void {
    this.current?.close();
    this.current = undefined;
  }
}

