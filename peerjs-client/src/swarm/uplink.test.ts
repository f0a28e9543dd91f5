import { describe, expect, it } from 'vitest';
import { readVectors } from '../wire/testing.js';
import { isUplinkNews, Uplink } from './uplink.js';

interface Step {
  readonly at: number;
  readonly links: readonly { readonly peer: string; readonly sent: number; readonly buffered: number; readonly rtt: number }[];
  readonly behind: boolean;
  readonly gone: string;
  readonly held: boolean;
  readonly pings: readonly string[];
  readonly rate: number;
  readonly pace: number;
}

const { cases } = readVectors<{
  readonly cases: readonly { readonly name: string; readonly limit: number; readonly start: number; readonly steps: readonly Step[] }[];
}>('uplink.json');

describe('Uplink', () => {
  it.each(cases.map((c) => [c.name, c] as const))('%s', (_, c) => {
    const u = new Uplink(c.limit, c.start, 0);
    for (const s of c.steps) {
      const pings: string[] = [];
      for (const l of s.links) {
        if (l.sent > 0) u.sent(l.peer, l.sent);
        u.buffered(l.peer, l.buffered);
        if (l.rtt > 0) u.roundTrip(l.peer, l.rtt, s.at);
        if (u.wantsPing(l.peer, s.at)) pings.push(l.peer);
      }
      if (s.behind) u.behind();
      if (s.gone !== '') u.gone(s.gone);
      if (s.held) u.heldUp(s.at);
      u.tick(s.at);
      expect({ at: s.at, pings, rate: u.rate, pace: u.pace }).toEqual({ at: s.at, pings: s.pings, rate: s.rate, pace: s.pace });
    }
  });

  it('is news when it differs by more than 30 %', () => {
    expect([isUplinkNews(0, 0), isUplinkNews(0, 1), isUplinkNews(1000, 1300), isUplinkNews(1000, 1301), isUplinkNews(1000, 699)])
      .toEqual([false, true, false, true, true]);
  });
});
