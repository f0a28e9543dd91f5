import { describe, expect, it } from 'vitest';
import { LatencyKeeper, type LatencyRules } from './latency-keeper';

const part = 1 / 3;

interface Run {
  readonly latencies: number[];
  readonly rates: Set<number>;
  readonly targets: number[];
  stalls: number;
  jumps: number;
}

/**
 * A player at the live edge: parts of a third of a second come `delay(t)` seconds after they are complete; the playhead
 * moves at the keeper's rate and stands still when the buffer is empty.
 */
function play(seconds: number, options: { startLatency?: number; delay?: (t: number) => number; rules?: LatencyRules; isStart?: boolean } = {}): Run {
  const keeper = new LatencyKeeper(options.rules);
  const delay = options.delay ?? (() => 0.05);
  const run: Run = { latencies: [], rates: new Set(), targets: [], stalls: 0, jumps: 0 };
  const step = 0.05;
  if (options.isStart === true) keeper.noteStart(0);
  let position = -(options.startLatency ?? 1);
  let rate = 1;
  let buffered = 0;
  let isStalled = false;
  let next = 0;
  for (let t = 0; t < seconds; t += step) {
    while (next * part + delay(next * part) <= t) {
      buffered = Math.max(buffered, next * part);
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
    const decision = keeper.tick({ now: t, latency: t - position, buffer: buffered - position, holdBack: 1, partTarget: part });
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

describe('LatencyKeeper', () => {
  it('closes the distance of a slow start by speed, at most 1.1', () => {
    const run = play(10, { startLatency: 1.5, rules: { target: 1 } });
    expect(last(run)).toBeLessThan(1.1);
    expect(run.stalls).toBe(0);
    expect(Math.max(...run.rates)).toBeLessThanOrEqual(1.1);
  });

  it('goes nearer while parts come in time, and never below two parts and a bit', () => {
    const run = play(180);
    expect(last(run)).toBeLessThan(0.9);
    expect(Math.min(...run.latencies)).toBeGreaterThan(2.1 * part);
    expect(run.stalls).toBe(0);
    expect(play(3600, { delay: () => 0 }).stalls).toBe(0);
    expect(Math.min(...play(180, { rules: { minParts: 2.75 } }).latencies)).toBeGreaterThan(2.6 * part);
  });

  it('leaves the distance alone where parts come late but in time', () => {
    const run = play(120, { delay: (t) => 0.1 + 0.25 * Math.abs(Math.sin(t)) });
    expect(run.stalls).toBe(0);
    expect(Math.abs(last(run) - 1)).toBeLessThan(0.15);
  });

  it('backs off after stalls by a bounded step, and comes back', () => {
    const run = play(600, { delay: (t) => (t > 20 && t < 60 && Math.floor(t) % 7 === 0 ? 1.4 : 0.05) });
    expect(run.stalls).toBeGreaterThan(0);
    expect(Math.max(...run.targets)).toBeLessThanOrEqual(2);
    expect(last(run)).toBeLessThan(1.05);
  });

  it('jumps when the edge is far ahead, once', () => {
    const run = play(30, { startLatency: 9 });
    expect(run.jumps).toBe(1);
    expect(last(run)).toBeLessThan(1.1);
  });

  it('jumps over the gap of a slow start where the media is there, once, and not later', () => {
    const jumped = play(4, { startLatency: 1.9, isStart: true, delay: () => 0 });
    expect(jumped).toMatchObject({ jumps: 1, stalls: 0 });
    expect(jumped.latencies[20]).toBeLessThan(1.1);
    expect(play(20, { startLatency: 1.9 }).jumps).toBe(0);
  });

  it('keeps a target asked for by the page', () => {
    const run = play(120, { startLatency: 3, rules: { target: 3 } });
    expect(Math.abs(last(run) - 3)).toBeLessThan(0.1);
    const near = play(120, { startLatency: 1, rules: { target: 0.6 } });
    expect(last(near)).toBeLessThan(0.75);
  });

  it('does not flutter: few distinct speeds, none near the target', () => {
    const run = play(60, { startLatency: 1.04, rules: { target: 1, maxRate: 1.1 } });
    expect(run.rates.size).toBeLessThanOrEqual(3);
  });
});
