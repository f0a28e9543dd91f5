import type { Clock, Timer } from '../clock.js';

interface Alarm { readonly at: number; readonly run: () => void }

/** A clock that tests move. Begins at 1000 ms: 0 means "never" in the policy. */
export class FakeClock implements Clock {
  private time = 1_000;
  private alarms: Alarm[] = [];

  now(): number {
    return this.time;
  }

  setTimeout(run: () => void, ms: number): Timer {
    const alarm = { at: this.time + Math.max(0, ms), run };
    this.alarms.push(alarm);
    return alarm;
  }

  clearTimeout(timer: Timer): void {
    this.alarms = this.alarms.filter((a) => a !== timer);
  }

  /** Timers not run yet. */
  get pending(): number {
    return this.alarms.length;
  }

  /** Moves time, running what is due in order, and lets promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await settle();
    for (let next = this.next(end); next !== undefined; next = this.next(end)) {
      this.alarms = this.alarms.filter((a) => a !== next);
      this.time = next.at;
      next.run();
      await settle();
    }
    this.time = end;
    await settle();
  }

  private next(end: number): Alarm | undefined {
    let first: Alarm | undefined;
    for (const a of this.alarms) {
      if (a.at <= end && (first === undefined || a.at < first.at)) first = a;
    }
    return first;
  }
}

/** Lets every promise that can settle do so. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
