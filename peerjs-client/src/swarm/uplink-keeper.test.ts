import { describe, expect, it } from 'vitest';
import type { Link } from './link.js';
import { UPLINK_START } from './uplink.js';
import { UplinkKeeper } from './uplink-keeper.js';
import type { UplinkStore } from './uplink-memory.js';

/** As much of a link as the keeper looks at. */
class Channel {
  readonly kind = 'peer';
  sentBytes = 0;
  bufferedBytes = 0;
  probes = 0;
  constructor(readonly id: string) {}
  probe(): void {
    this.probes++;
  }
}

function asLinks(channels: readonly Channel[]): readonly Link[] {
  return channels as unknown as readonly Link[];
}

function memory(): UplinkStore & { readonly items: Map<string, string> } {
  const items = new Map<string, string>();
  return { items, getItem: (key) => items.get(key) ?? null, setItem: (key, value) => void items.set(key, value) };
}

function keeper(store: UplinkStore | undefined): { keeper: UplinkKeeper; paces: number[]; told: () => number } {
  const paces: number[] = [];
  let told = 0;
  return {
    keeper: new UplinkKeeper({
      limit: 16_000_000, now: 0, store, wallClock: () => 1_000_000, setPace: (bps) => paces.push(bps), tell: () => void told++,
    }),
    paces, told: () => told,
  };
}

/** Two children take `bytes` each every 50 ms, and answer pings after 40 ms. */
function carry(k: UplinkKeeper, channels: readonly Channel[], from: number, to: number, bytes: number): void {
  for (let now = from; now < to; now += 50) {
    for (const c of channels) {
      c.sentBytes += bytes;
      const { probes } = c;
      k.tick(now, asLinks(channels), 0);
      if (c.probes > probes || now === from) k.roundTrip(c as unknown as Link, 40, now);
    }
  }
}

describe('the uplink of a page', () => {
  it('grows with what is carried, paces, tells the tracker and is remembered', () => {
    const store = memory();
    const first = keeper(store);
    carry(first.keeper, [new Channel('a'), new Channel('b')], 0, 40_000, 15_000);
    expect(first.keeper.rate).toBeGreaterThan(2 * UPLINK_START);
    expect(first.paces.at(-1)).toBe(first.keeper.pace);
    expect(first.told()).toBeGreaterThan(1);
    expect(first.told()).toBeLessThan(8);
    expect(keeper(store).keeper.rate).toBe(Math.trunc(first.keeper.rate * 0.75));
  });

  it('remembers nothing of a short session, or without evidence', () => {
    const store = memory();
    carry(keeper(store).keeper, [new Channel('a'), new Channel('b')], 0, 20_000, 15_000);
    carry(keeper(store).keeper, [new Channel('a'), new Channel('b')], 0, 40_000, 0);
    expect(store.items.size).toBe(0);
  });

  it('takes no slow answer for a queue when the page itself was slow', () => {
    const run = (step: number): number => {
      const { keeper: k } = keeper(undefined);
      const a = new Channel('a');
      carry(k, [a], 0, 5_000, 15_000);
      for (let now = 5_000; now < 9_000; now += step) {
        a.sentBytes += 15_000;
        const { probes } = a;
        k.tick(now, asLinks([a]), 0);
        if (a.probes > probes) k.roundTrip(a as unknown as Link, 340, now + 20);
      }
      return k.rate;
    };
    expect(run(50)).toBeLessThan(run(300));
  });

  it('counts a neighbour that came back from 0', () => {
    const { keeper: k } = keeper(undefined);
    const long = new Channel('a');
    long.sentBytes = 50_000_000;
    k.tick(0, asLinks([long]), 0);
    k.tick(50, asLinks([]), 0);
    carry(k, [new Channel('a')], 100, 5_000, 100);
    expect(k.rate).toBe(UPLINK_START);
  });

  it('never begins above its limit', () => {
    const store = memory();
    store.setItem('starling-uplink', '100000000@1');
    const k = new UplinkKeeper({ limit: 2_000_000, now: 0, store, wallClock: () => 2, setPace: () => undefined, tell: () => undefined });
    expect([k.rate, k.pace]).toEqual([2_000_000, 2_000_000]);
  });
});
