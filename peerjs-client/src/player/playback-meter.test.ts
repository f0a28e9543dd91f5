import { describe, expect, it, vi } from 'vitest';
import { PlaybackMeter } from './playback-meter';

const media = (currentTime: number, change = {}) => ({ currentTime, paused: false, seeking: false, ended: false, ...change });

function started() {
  const onStall = vi.fn();
  const meter = new PlaybackMeter(1000, onStall);
  meter.tick(1200, media(5));
  expect(meter.tick(1300, media(5.1))).toBe(true);
  return { meter, onStall };
}

describe('PlaybackMeter', () => {
  it('measures start-up to the first movement, once', () => {
    const { meter } = started();
    expect(meter.startup).toBe(300);
    expect(meter.tick(1400, media(5.2))).toBe(false);
    expect(meter.startup).toBe(300);
  });

  it('counts a stall from the waiting event to the next movement', () => {
    const { meter, onStall } = started();
    meter.noteWaiting(2000, media(6));
    meter.tick(2050, media(6));
    expect(meter.isStalled(2050)).toBe(false);
    expect(meter.isStalled(2300)).toBe(true);
    meter.tick(2400, media(6.1));
    expect(onStall).toHaveBeenCalledExactlyOnceWith(400);
    expect(meter).toMatchObject({ stalls: 1, stallMs: 400 });
    expect(meter.isStalled(2500)).toBe(false);
  });

  it.each([
    ['before the first picture', () => new PlaybackMeter(0, vi.fn()), {}],
    ['while seeking', () => started().meter, { seeking: true }],
    ['while paused', () => started().meter, { paused: true }],
    ['at the end', () => started().meter, { ended: true }],
  ])('counts no stall %s', (_, make, change) => {
    const meter = make();
    meter.noteWaiting(2000, media(6, change));
    meter.tick(9000, media(6.5));
    meter.tick(9100, media(6.6));
    expect(meter.stalls).toBe(0);
  });

  it('does not count what nobody sees, nor the reload of a source', () => {
    const { meter } = started();
    meter.noteWaiting(2000, media(6));
    meter.tick(2060, media(6.1));
    meter.noteWaiting(3000, media(7));
    meter.restart(4000);
    meter.tick(9000, media(1));
    expect(meter.stalls).toBe(0);
  });

  it('does not count the wait for a stream that is not live as start-up', () => {
    const meter = new PlaybackMeter(0, vi.fn());
    meter.restart(60_000);
    meter.tick(60_100, media(0));
    meter.tick(60_400, media(0.1));
    expect(meter.startup).toBe(400);
  });

  it('ends a stall when the viewer pauses', () => {
    const { meter } = started();
    meter.noteWaiting(2000, media(6));
    meter.tick(2500, media(6, { paused: true }));
    meter.tick(9000, media(6));
    meter.tick(9100, media(6.1));
    expect(meter).toMatchObject({ stalls: 1, stallMs: 500 });
  });
});
