import type { Clock, Timer } from '../clock.js';

/** A tick that comes so late shows that the page was starved; another follows it shortly. */
const LATE_MS = 60;
const CATCH_UP_MS = 5;
const FALLBACK_MS = 250;

/**
 * Calls back at a pace that may change. After a starved moment the call waits a
 * little more: messages are waiting behind the timer, and nobody is to be
 * judged silent before they have been taken in.
 */
export class Ticker {
  private timer: Timer;
  private dueAt = 0;
  private isCatchingUp = false;
  private isStopped = false;

  /** @param run - does the work and gives the ms until the next call. */
  constructor(private readonly clock: Clock, private readonly run: (now: number) => number) {}

  /** Makes sure that the next call comes within `ms`. */
  within(ms: number): void {
    const now = this.clock.now();
    if (this.timer === undefined || now + ms < this.dueAt) this.schedule(ms, now);
  }

  stop(): void {
    this.isStopped = true;
    this.clock.clearTimeout(this.timer);
  }

  private schedule(ms: number, now: number): void {
    if (this.isStopped) return;
    this.clock.clearTimeout(this.timer);
    this.dueAt = now + ms;
    this.timer = this.clock.setTimeout(() => this.tick(), ms);
  }

  private tick(): void {
    const now = this.clock.now();
    if (now - this.dueAt > LATE_MS && !this.isCatchingUp) {
      this.isCatchingUp = true;
      this.schedule(CATCH_UP_MS, now);
      return;
    }
    this.isCatchingUp = false;
    let ms = FALLBACK_MS;
    try {
      ms = this.run(now);
    } finally {
      this.schedule(ms, now); // a fault in one tick must not end them all
    }
  }
}
