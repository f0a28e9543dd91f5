import { beforeEach, describe, expect, it } from 'vitest';
import { TestOrigin } from '../testing/test-origin.js';
import { parsePartHeader } from '../wire/part-header.js';
import { seeded } from '../wire/testing.js';
import type { CatalogTrack } from './catalog.js';
import type { PartEntry } from './part-entry.js';
import { Reputation } from './reputation.js';
import { mergeCommands } from './source-commands.js';
import { SourcePolicy } from './source-policy.js';
import { Retreat, Strain } from './strain.js';
import { TrackParts } from './track-parts.js';

const track: CatalogTrack = { number: 1, name: 'v', kind: 'video', bitrate: 1_000_000, slices: 2 };
const origin = new TestOrigin();

let parts: TrackParts;
let up: Set<string>;
let slow: string[];
let cancelled: string[];
let announcers: Set<string>;
let reputation: Reputation;
let policy: SourcePolicy;

beforeEach(() => {
  parts = new TrackParts(track);
  up = new Set(['edge']);
  slow = [];
  cancelled = [];
  announcers = new Set();
  reputation = new Reputation();
  policy = new SourcePolicy(parts, {
    strain: new Strain(), retreat: new Retreat(1), usable: (id) => up.has(id), trust: (id) => reputation.of(id), onSlow: (id) => void slow.push(id),
    cancel: (id, entry, first, count) => void cancelled.push(`${id} ${entry.id.index}/${first}+${count}`), hasAnnounced: (id) => announcers.has(id),
    children: () => 0, roundTrip: () => 0,
  }, 1_300);
});

/** What was sent since the last call, as "+who mask from" and "-who mask". */
function sent(): string[] {
  return mergeCommands(policy.drain()).map((c) => (c.kind === 'subscribe' ? `+${c.id} ${c.mask} ${c.from.msn}.${c.from.index}` : `-${c.id} ${c.mask}`));
}

/** A part of two chunks, one a slice, with a verified header. */
function begin(index: number, now: number): PartEntry {
  const entry = parts.ensure({ msn: 7, index }, now);
  const header = parsePartHeader(origin.part(track, { msn: 7, index }, 3_000).header);
  if (entry === undefined || header === undefined) throw new Error('no part');
  entry.begin(header, now);
  return entry;
}

function push(entry: PartEntry, chunk: number, from: string, now: number): void {
  const isFresh = entry.put(chunk, new Uint8Array(1_500), 'peer', now);
  policy.pushed(entry, chunk, from, isFresh, now);
}

const both = (parent: string, backup: string): { slice: number; parent: string; backup: string }[] => [0, 1].map((slice) => ({ slice, parent, backup }));

describe('sources of slices', () => {
  it('wait for an assignment, then take the feed', () => {
    policy.reconsider(1_299);
    expect(sent()).toEqual([]);
    policy.reconsider(1_300);
    expect(sent()).toEqual(['+edge 3 0.0']);
    up.clear();
    policy.gone('edge', 1_400);
    expect(policy.current).toEqual(['', '']);
    up.add('edge');
    policy.reconsider(2_000);
    expect(policy.current).toEqual(['edge', 'edge']);
  });

  it('begin with what the player still waits for, else with the next part, also when they become ready late', () => {
    policy.reconsider(1_300);
    const first = begin(0, 1_310);
    first.isSettled = true; // the player loaded it by HTTP
    policy.renew('edge', 1_320);
    expect(policy.subscriptionsOf('edge').map((c) => c.from.msn)).toEqual([0, 0]);
    const waited = begin(1, 1_330);
    begin(2, 1_330).isLeft = true;
    policy.renew('edge', 1_340);
    expect(policy.subscriptionsOf('edge').map((c) => c.from)).toEqual([waited.id, waited.id]);
    waited.isSettled = true;
    policy.renew('edge', 1_350);
    expect(policy.subscriptionsOf('edge').map((c) => c.from.msn)).toEqual([0, 0]);
    // The first push shows where the subscription began: nobody brings what is before.
    push(begin(3, 1_360), 0, 'edge', 1_360);
    const isUp = (): boolean => true;
    expect(policy.view(first, isUp, 1_360).map((v) => v.up)).toEqual([false, true]);
    expect(policy.view(begin(4, 1_370), isUp, 1_370).map((v) => v.up)).toEqual([true, true]);
  });

  it('move to the parent from the next part, and leave the feed when the parts before are whole', () => {
    policy.reconsider(1_300);
    const entry = begin(0, 1_400);
    push(entry, 0, 'edge', 1_400);
    policy.assign(both('p', 'q'), 1_400);
    sent();
    up.add('p');
    policy.reconsider(1_410);
    expect(sent()).toEqual(['+p 3 7.1']);
    policy.reconsider(1_420); // slice 0 is whole, slice 1 still comes from the feed
    expect(sent()).toEqual(['-edge 1']);
    push(entry, 1, 'edge', 1_430);
    policy.reconsider(1_440);
    expect(sent()).toEqual(['-edge 2']);
    expect(policy.current).toEqual(['p', 'p']);
  });

  it('end a planned handover after a second at the latest', () => {
    policy.reconsider(1_300);
    begin(0, 1_400);
    up.add('p');
    policy.assign(both('p', 'q'), 1_400);
    sent();
    policy.reconsider(2_399);
    expect(sent()).toEqual([]);
    policy.reconsider(2_400);
    expect(sent()).toEqual(['-edge 3']);
  });

  it('take the backup at once when the parent is gone, from the first part with a hole', () => {
    up.add('p').add('q');
    policy.assign(both('p', 'q'), 1_000);
    expect(sent()).toEqual(['+p 3 0.0']);
    const first = begin(0, 1_100);
    push(first, 0, 'p', 1_100);
    push(first, 1, 'p', 1_101);
    push(begin(1, 1_400), 0, 'p', 1_400);
    up.delete('p');
    policy.gone('p', 1_450);
    expect(sent()).toEqual(['-p 3', '+q 1 7.2', '+q 2 7.1']);
    up.delete('q');
    policy.gone('q', 1_500);
    expect(policy.current).toEqual(['edge', 'edge']);
  });

  it('go on to the feed when the backup has nothing either', () => {
    up.add('p').add('q');
    policy.assign(both('p', 'q'), 1_000);
    const entry = begin(0, 1_100);
    push(entry, 0, 'p', 1_100);
    push(entry, 1, 'p', 1_100);
    begin(1, 1_430);
    up.delete('p');
    policy.gone('p', 1_500);
    expect(policy.current).toEqual(['q', 'q']);
    push(begin(1, 1_430), 0, 'q', 1_600);
    policy.reconsider(1_749);
    expect(policy.current).toEqual(['q', 'q']);
    policy.reconsider(1_750);
    expect(policy.current).toEqual(['q', 'edge']);
    expect(slow).toEqual([]);
  });

  it('leave a silent source for a while and come back to it', () => {
    up.add('p').add('q');
    policy.assign(both('p', 'q'), 1_000);
    const entry = begin(0, 1_100);
    policy.switchFrom(entry, 1, 'q', 1_300);
    expect(policy.current).toEqual(['p', 'q']);
    push(entry, 1, 'q', 1_350);
    expect(reputation.of('p').isClean).toBe(true); // it had not announced the part: perhaps it is a victim
    policy.reconsider(6_299);
    expect(policy.current).toEqual(['p', 'q']);
    policy.reconsider(6_301);
    expect(policy.current).toEqual(['p', 'p']);
  });

  it('come back at once to a source that was mute for a moment', () => {
    up.add('p').add('q');
    policy.assign(both('p', 'q'), 1_000);
    const entry = begin(0, 1_100);
    push(entry, 0, 'p', 1_100);
    push(entry, 1, 'p', 1_100);
    expect([policy.dueFrom('p', 333, 1_457), policy.dueFrom('p', 333, 1_458)]).toEqual([0, 1_433]);
    begin(1, 1_450);
    expect(policy.dueFrom('p', 333, 1_475)).toBe(1_450);
    policy.silence('p', 2_000, 1_600);
    policy.reconsider(1_600);
    expect(policy.current).toEqual(['q', 'q']);
    expect(policy.heardAgain('p', 1_999)).toBe(true);
    policy.reconsider(2_000);
    expect(policy.current).toEqual(['p', 'p']);
    policy.silence('p', 2_000, 3_000);
    policy.reconsider(3_000);
    for (const s of [0, 1]) push(begin(1, 1_450), s, 'q', 3_100);
    expect(policy.heardAgain('p', 3_400)).toBe(false);
    policy.reconsider(4_999);
    expect(policy.current).toEqual(['q', 'q']);
    policy.reconsider(5_000);
    expect(policy.current).toEqual(['p', 'p']);
  });

  it('go elsewhere when a subscription is refused', () => {
    up.add('p').add('q');
    policy.assign(both('p', 'q'), 1_000);
    sent();
    policy.refused('p', 0b10, 1_010);
    expect(policy.current).toEqual(['p', 'q']);
    expect(sent()).toEqual(['+q 2 0.0']);
    policy.refused('q', 0b10, 1_020);
    expect(policy.current).toEqual(['p', 'edge']);
    expect(slow).toEqual([]);
  });

  it('leave a source that missed two parts', () => {
    up.add('p').add('q');
    policy.assign(both('p', 'q'), 1_000);
    for (const index of [0, 1, 2]) {
      const entry = begin(index, 1_100 + 333 * index);
      push(entry, 0, 'p', 1_100 + 333 * index);
      if (index === 0) push(entry, 1, 'p', 1_101);
      else push(entry, 1, 'edge', 1_300 + 333 * index);
      policy.judge(entry, 1_340 + 333 * index);
      policy.judge(entry, 1_340 + 333 * index);
      policy.reconsider(1_350 + 333 * index);
      expect(policy.current).toEqual(['p', index === 2 ? 'q' : 'p']);
    }
  });

  it('do not blame a new source for parts from before it', () => {
    up.add('p');
    policy.assign(both('p', 'edge'), 1_000);
    for (const index of [0, 1, 2]) policy.judge(begin(index, 1_100 + index), 1_150);
    policy.reconsider(1_200);
    expect(policy.current).toEqual(['p', 'p']);
  });

  it('end with every subscription', () => {
    up.add('p');
    policy.assign(both('p', 'edge'), 1_000);
    sent();
    policy.end();
    expect(sent()).toEqual(['-p 3']);
    expect(policy.uses('p')).toBe(false);
  });
});

it('whatever happens, the shell is subscribed to exactly the sources in use', () => {
  const random = seeded(8);
  const ids = ['edge', 'p', 'q', 'r'];
  const pick = (): string => ids[Math.floor(random() * ids.length)] ?? 'edge';
  const subscribed = new Map<string, Set<number>>();
  let now = 1_000;
  let index = 0;
  const apply = (): void => {
    for (const c of mergeCommands(policy.drain())) {
      const slices = subscribed.get(c.id) ?? new Set<number>();
      subscribed.set(c.id, slices);
      for (let s = 0; s < 2; s++) {
        if (((c.mask >> s) & 1) === 0) continue;
        if (c.kind === 'subscribe') slices.add(s);
        else slices.delete(s);
      }
    }
  };
  for (let i = 0; i < 5_000; i++) {
    now += Math.floor(random() * 200);
    const id = pick();
    const action = Math.floor(random() * 8);
    const newest = parts.newest;
    if (action === 0) policy.assign(both(pick(), pick()), now);
    else if (action === 1) up.add(id);
    else if (action === 2) {
      up.delete(id);
      subscribed.delete(id);
      policy.gone(id, now);
    } else if (action === 3 && up.has(id)) {
      const s = Math.floor(random() * 2);
      subscribed.get(id)?.delete(s);
      policy.refused(id, 1 << s, now);
    } else if (action === 4) begin(index++, now);
    else if (action === 5 && newest?.have !== undefined) push(newest, Math.floor(random() * 2), id, now);
    else if (action === 6 && newest !== undefined) policy.switchFrom(newest, Math.floor(random() * 2), id, now);
    else policy.reconsider(now);
    parts.evict(now, () => false);
    apply();
    policy.current.forEach((source, s) => {
      expect(source === '' || up.has(source), `${source} is used and not up`).toBe(true);
      if (source !== '') expect(subscribed.get(source)?.has(s), `step ${i}: slice ${s} of ${source}`).toBe(true);
    });
    for (const [who, slices] of subscribed) {
      for (const s of slices) expect(policy.subscriptionsOf(who).some((c) => c.slice === s), `step ${i}: ${who} pushes slice ${s} unasked`).toBe(true);
    }
  }
});
