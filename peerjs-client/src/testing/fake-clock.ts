import type { Clock, Timer } from '../clock.js';

interface Alarm { readonly at: number; readonly order: number; readonly run: () => void; isOver: boolean }

/** A clock that tests move. Begins at 1000 ms: 0 means "never" in the policy. */
export class FakeClock implements Clock {
  private time = 1_000;
  /** A binary heap, the first to run on top: long tests set millions of timers. */
  private readonly alarms: Alarm[] = [];
  private made = 0;
  private waiting = 0;

  now(): number {
    return this.time;
  }

  setTimeout(run: () => void, ms: number): Timer {
    const alarm: Alarm = { at: this.time + Math.max(0, ms), order: this.made++, run, isOver: false };
    this.waiting++;
    let at = this.alarms.push(alarm) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.isBefore(at, parent)) break;
      this.swap(at, parent);
      at = parent;
    }
    return alarm;
  }

  clearTimeout(timer: Timer): void {
    this.end(timer as Alarm | undefined);
  }

  /** Timers not run yet. */
  get pending(): number {
    return this.waiting;
  }

  /** Moves time, running what is due in order, and lets promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await settle();
    for (let next = this.next(end); next !== undefined; next = this.next(end)) {
      this.end(next);
      this.time = next.at;
      next.run();
      await settle();
    }
    this.time = end;
    await settle();
  }

  private end(alarm: Alarm | undefined): void {
    if (alarm === undefined || alarm.isOver) return;
    alarm.isOver = true;
    this.waiting--;
  }

  /** Takes the first alarm until `end` off the heap; those that were cleared are dropped on the way. */
  private next(end: number): Alarm | undefined {
    for (let first = this.alarms[0]; first !== undefined && (first.isOver || first.at <= end); first = this.alarms[0]) {
      this.takeFirst();
      if (!first.isOver) return first;
    }
    return undefined;
  }

  private takeFirst(): void {
    const last = this.alarms.pop();
    if (last === undefined || this.alarms.length === 0) return;
    this.alarms[0] = last;
    for (let at = 0; ;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < this.alarms.length && this.isBefore(child, least)) least = child;
      }
      if (least === at) return;
      this.swap(at, least);
      at = least;
    }
  }

  /** Timers of the same time run in the order in which they were set. */
  private isBefore(i: number, j: number): boolean {
    const [a, b] = [this.alarms[i], this.alarms[j]];
    return a !== undefined && b !== undefined && (a.at < b.at || (a.at === b.at && a.order < b.order));
  }

  private swap(i: number, j: number): void {
    const [a, b] = [this.alarms[i], this.alarms[j]];
    if (a === undefined || b === undefined) return;
    this.alarms[i] = b;
    this.alarms[j] = a;
  }
}

/** Lets every promise that can settle do so. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
