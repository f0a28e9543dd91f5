import { describe, expect, it } from 'vitest';
import { ArrivalMeter } from './arrival-meter';

const part = 1 / 3;

/** Parts of a third of a second, each `delay(n)` seconds after it is complete. */
function feed(meter: ArrivalMeter, from: number, to: number, delay: (n: number) => number, timeline = 0): void {
  for (let n = from; n < to; n++) meter.note((n + 1) * part + delay(n), (n + 1) * part, timeline, 'main');
}

describe('ArrivalMeter', () => {
  it('says nothing before it knows', () => {
    const meter = new ArrivalMeter();
    feed(meter, 0, 5, () => 0);
    expect(meter.lateness).toBeUndefined();
    expect(new ArrivalMeter().edge(3)).toBeUndefined();
  });

  it('measures lateness against the earliest, whatever all have in common', () => {
    const meter = new ArrivalMeter();
    feed(meter, 0, 60, (n) => 5 + (n % 3) * 0.1);
    expect(meter.lateness).toBeCloseTo(0.2);
    expect(meter.edge(100)).toBeCloseTo(95);
  });

  it('does not follow a hiccup of two parts in sixty, and follows four', () => {
    const meter = new ArrivalMeter();
    feed(meter, 0, 60, (n) => (n >= 30 && n < 32 ? 0.9 : 0));
    expect(meter.lateness).toBeCloseTo(0);
    feed(meter, 60, 120, (n) => (n % 15 === 0 ? 0.9 : 0));
    expect(meter.lateness).toBeCloseTo(0.9);
  });

  it('counts an interruption once, however many parts wait for its end, and each kind of media apart', () => {
    const meter = new ArrivalMeter();
    const held = (n: number): number => Math.max((n + 1) * part, n >= 20 && n < 28 ? 28 * part + n * 0.01 : 0);
    for (let n = 0; n < 60; n++) for (const kind of ['main', 'audio']) meter.note(held(n), (n + 1) * part, 0, kind);
    expect(meter.lateness).toBeCloseTo(0);
    // Two parts at a time, all the time: the first of each two is always late.
    for (let n = 60; n < 120; n++) meter.note((n + 1 + ((n + 1) % 2)) * part, (n + 1) * part, 0, 'main');
    expect(meter.lateness).toBeCloseTo(part);
  });

  it('forgets after twenty seconds', () => {
    const meter = new ArrivalMeter();
    feed(meter, 0, 60, (n) => (n % 2) * 0.5);
    expect(meter.lateness).toBeCloseTo(0.5);
    feed(meter, 60, 125, () => 0.5);
    expect(meter.lateness).toBeCloseTo(0);
    expect(meter.edge(100)).toBeCloseTo(99.5); // an encoder that fell behind for good
  });

  it('takes playlists for the edge, and parts that come long after them for late', () => {
    const meter = new ArrivalMeter();
    for (let n = 0; n < 60; n++) {
      meter.noteEdge((n + 1) * part + 0.05, (n + 1) * part, 0);
      meter.note((n + 1) * part + 0.75, (n + 1) * part, 0, 'main');
    }
    expect(meter.edge(100)).toBeCloseTo(99.95);
    expect(meter.lateness).toBeCloseTo(0.7);
  });

  it('starts anew with a new timeline, and leaves stragglers of the old one out', () => {
    const meter = new ArrivalMeter();
    feed(meter, 0, 60, () => 0);
    feed(meter, 60, 70, () => 3, 1);
    feed(meter, 60, 70, () => 0, 0);
    expect(meter.lateness).toBeCloseTo(0);
    expect(meter.edge(100)).toBeCloseTo(97);
    meter.clear();
    expect(meter.edge(100)).toBeUndefined();
  });
});
