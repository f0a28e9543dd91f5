import { describe, expect, it } from 'vitest';
import { seeded } from '../wire/testing.js';
import { ArrivalMeter } from './arrival-meter';
import { LatencyKeeper, startDistance, type LatencyRules } from './latency-keeper';

const third = 1 / 3;

interface Run {
  readonly latencies: number[];
  readonly rates: Set<number>;
  readonly targets: number[];
  stalls: number;
  jumps: number;
}

interface Options {
  readonly startLatency?: number;
  /** Seconds that the part which is complete at `t` takes. */
  readonly delay?: (t: number) => number;
  readonly rules?: LatencyRules;
  readonly isStart?: boolean;
  readonly part?: number;
}

/**
 * A player at the live edge: parts come `delay(t)` seconds after they are complete; the playhead moves at the keeper's
 * rate and stands still when the buffer is empty.
 */
function play(seconds: number, options: Options = {}): Run {
  const { part = third, delay = () => 0.05 } = options;
  const keeper = new LatencyKeeper(options.rules);
  const meter = new ArrivalMeter();
  const run: Run = { latencies: [], rates: new Set(), targets: [], stalls: 0, jumps: 0 };
  const step = 0.05;
  if (options.isStart === true) keeper.noteStart(0);
  let position = -(options.startLatency ?? startDistance(3 * part, part));
  let rate = 1;
  let buffered = 0;
  let isStalled = false;
  let next = 0;
  for (let t = 0; t < seconds; t += step) {
    while (next * part + delay(next * part) <= t) {
      buffered = Math.max(buffered, next * part);
      meter.note(next * part + delay(next * part), next * part, 0, 'main');
      next++;
    }
    if (isStalled) isStalled = buffered - position < 0.3;
    if (!isStalled) position += step * rate;
    if (position >= buffered) {
      position = buffered;
      if (!isStalled) {
        run.stalls++;
        keeper.noteStall(t);
      }
      isStalled = true;
    }
    const latency = (meter.edge(t) ?? t) - position;
    const decision = keeper.tick({ now: t, latency, buffer: buffered - position, holdBack: 3 * part, partTarget: part, lateness: meter.lateness });
    rate = decision.rate;
    if (decision.mustSeek) {
      run.jumps++;
      position = Math.min(t - decision.target, buffered);
    }
    run.latencies.push(t - position);
    run.targets.push(decision.target);
    run.rates.add(rate);
  }
  return run;
}

const last = (run: Run) => run.latencies.at(-1) ?? Number.NaN;
const at = (run: Run, second: number) => run.latencies[second * 20] ?? Number.NaN;

describe('LatencyKeeper', () => {
  it('starts a part behind the hold-back and is near the edge ten seconds later', () => {
    const run = play(60);
    expect(run.latencies[1]).toBeGreaterThan(1.25);
    expect(at(run, 10)).toBeLessThan(0.85);
    expect(run.stalls).toBe(0);
    expect(Math.max(...run.rates)).toBeLessThanOrEqual(1.1);
  });

  it('goes as near as parts come in time, and never below two parts', () => {
    expect(last(play(60, { delay: () => 0.05 }))).toBeLessThan(0.8);
    expect(Math.min(...play(3600, { delay: () => 0 }).latencies)).toBeGreaterThan(1.9 * third);
    const shared = play(120, { rules: { margin: 0.35 } });
    expect(last(shared)).toBeGreaterThan(third + 0.3);
    expect(shared.stalls).toBe(0);
  });

  it('keeps the distance that late parts need', () => {
    const random = seeded(1);
    const delays = new Map<number, number>();
    const delay = (t: number) => delays.get(t) ?? delays.set(t, 0.1 + 0.4 * random()).get(t) ?? 0;
    const run = play(300, { delay });
    expect(run.stalls).toBe(0);
    expect(last(run)).toBeGreaterThan(0.9);
    expect(last(run)).toBeLessThan(1.25);
  });

  it('plays a fifth of a second in parts within seven tenths', () => {
    const run = play(60, { part: 0.2, rules: { margin: 0.35 }, delay: (t) => 0.03 + 0.06 * Math.abs(Math.sin(t)) });
    expect(run.stalls).toBe(0);
    expect(at(run, 10)).toBeLessThan(0.75);
    expect(last(run)).toBeLessThan(0.72);
  });

  it('backs off after stalls by a bounded step, and comes back within half a minute', () => {
    const isBad = (t: number) => t > 20 && t < 60 && Math.floor(t) % 7 === 0;
    const run = play(100, { delay: (t) => (isBad(t) ? 1.4 : 0.05) });
    expect(run.stalls).toBeGreaterThan(0);
    expect(Math.max(...run.targets)).toBeLessThanOrEqual(2);
    expect(last(run)).toBeLessThan(0.9);
  });

  it('gives one short stall back within ten seconds', () => {
    const run = play(60, { delay: (t) => (Math.abs(t - 20) < 0.1 ? 0.9 : 0.05) });
    expect(run.stalls).toBeLessThanOrEqual(1);
    expect(at(run, 32)).toBeLessThan(0.85);
  });

  it('jumps when the edge is far ahead, once', () => {
    const run = play(30, { startLatency: 9 });
    expect(run.jumps).toBe(1);
    expect(last(run)).toBeLessThan(1);
  });

  it('jumps over the gap of a slow start where the media is there, once, and not later', () => {
    const jumped = play(4, { startLatency: 2.2, isStart: true, delay: () => 0 });
    expect(jumped).toMatchObject({ jumps: 1, stalls: 0 });
    expect(jumped.latencies[20]).toBeLessThan(1.4);
    expect(play(20, { startLatency: 2.2 }).jumps).toBe(0);
  });

  it('jumps over more than a second of media that is there, and not over media that is not', () => {
    expect(play(10, { startLatency: 2.8 }).jumps).toBe(1);
    const behind = { now: 0, latency: 2.4, buffer: 1.4, holdBack: 1, partTarget: third, lateness: 0 };
    expect(new LatencyKeeper().tick(behind).mustSeek).toBe(false);
    expect(new LatencyKeeper().tick({ ...behind, buffer: 2.3 }).mustSeek).toBe(true);
  });

  it('keeps a target asked for by the page', () => {
    const run = play(120, { startLatency: 3, rules: { target: 3 } });
    expect(Math.abs(last(run) - 3)).toBeLessThan(0.1);
    const near = play(120, { startLatency: 1, rules: { target: 0.6 } });
    expect(last(near)).toBeLessThan(0.75);
  });

  it('stays at a target asked for by the page that playback started at, but for what the start took', () => {
    const run = play(60, { startLatency: 6, rules: { target: 6 }, isStart: true });
    expect(run).toMatchObject({ jumps: 0, stalls: 0 });
    expect([...run.rates]).toEqual([1]);
    const slow = play(60, { startLatency: 6.6, rules: { target: 6 }, isStart: true });
    expect(slow).toMatchObject({ jumps: 1, stalls: 0 });
    expect(slow.latencies[20]).toBeCloseTo(6, 1);
  });

  it('follows the hold-back where there are no parts', () => {
    const keeper = new LatencyKeeper();
    const sample = { now: 0, latency: 6, buffer: 4, holdBack: 6, partTarget: undefined };
    expect(keeper.tick(sample)).toEqual({ rate: 1, target: 6, mustSeek: false });
  });

  it('slows down when it is nearer than it should be', () => {
    const run = play(30, { startLatency: 0.4, rules: { target: 0.9 }, delay: () => 0 });
    expect(Math.min(...run.rates)).toBe(0.95);
    expect(Math.abs(last(run) - 0.9)).toBeLessThan(0.15);
  });

  it('does not flutter: few distinct speeds, none near the target', () => {
    const run = play(60, { startLatency: 1.04, rules: { target: 1, maxRate: 1.1 } });
    expect(run.rates.size).toBeLessThanOrEqual(3);
  });
});
