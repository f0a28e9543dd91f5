/**
 * Measures what the viewer sees: start-up, stalls and dropped frames. A stall is a stand of the playhead for want of
 * media after the first picture; pausing and seeking are none.
 */

/** The part of a media element that is watched. */
export interface WatchedMedia {
  readonly currentTime: number;
  readonly paused: boolean;
  readonly seeking: boolean;
  readonly ended: boolean;
}

/** Shorter stands are not seen: a frame at 30 a second is 33 ms. */
const visibleMs = 80;

/** Told by the element's events and a tick; keeps counters. Times are `performance.now()` milliseconds. */
export class PlaybackMeter {
  readonly #onStall: (ms: number) => void;
  #startedLoading: number;
  #startup: number | undefined;
  #position: number | undefined;
  #stoodSince: number | undefined;
  #isExcused = true;
  #stalls = 0;
  #stallMs = 0;

  /** @param onStall called when a stall ends, with its length. */
  constructor(now: number, onStall: (ms: number) => void) {
    this.#startedLoading = now;
    this.#onStall = onStall;
  }

  /** Milliseconds to the first moving picture. */
  get startup(): number | undefined {
    return this.#startup;
  }

  get stalls(): number {
    return this.#stalls;
  }

  get stallMs(): number {
    return this.#stallMs;
  }

  /** True while the playhead stands still for want of media, long enough to be seen. */
  isStalled(now: number): boolean {
    return !this.#isExcused && this.#stoodSince !== undefined && now - this.#stoodSince >= visibleMs;
  }

  /** The browser said `waiting`. */
  noteWaiting(now: number, media: WatchedMedia): void {
    if (this.#startup === undefined || media.seeking || media.paused || media.ended) return;
    if (this.#stoodSince === undefined) {
      this.#stoodSince = now;
      this.#isExcused = false;
      this.#position = media.currentTime;
    }
  }

  /** Looks at the playhead: to be called several times a second. Gives true when the first picture has moved. */
  tick(now: number, media: WatchedMedia): boolean {
    const hasMoved = this.#position !== undefined && media.currentTime !== this.#position;
    this.#position = media.currentTime;
    if (media.paused || media.seeking || media.ended) {
      // A stand that the viewer asked for; a stall that it interrupted counts up to here.
      this.#endStand(now);
      this.#isExcused = true;
      return false;
    }
    if (!hasMoved) return false;
    this.#endStand(now);
    this.#isExcused = false;
    if (this.#startup !== undefined) return false;
    this.#startup = now - this.#startedLoading;
    return true;
  }

  /** The source is loaded (again) at `now`: the wait for its picture is no stall, and start-up counts from here. */
  restart(now: number): void {
    this.#startedLoading = now;
    this.#stoodSince = undefined;
    this.#isExcused = true;
  }

  #endStand(now: number): void {
    const since = this.#stoodSince;
    this.#stoodSince = undefined;
    if (since === undefined || this.#isExcused || now - since < visibleMs) return;
    this.#stalls++;
    this.#stallMs += now - since;
    this.#onStall(now - since);
  }
}
