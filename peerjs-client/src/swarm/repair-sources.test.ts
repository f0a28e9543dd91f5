import { expect, it } from 'vitest';
import { readVectors } from '../wire/testing.js';
import type { CatalogTrack } from './catalog.js';
import { Reputation } from './reputation.js';
import { SourcePolicy } from './source-policy.js';
import { Retreat, Strain } from './strain.js';
import { TrackParts } from './track-parts.js';

const { steps } = readVectors<{
  readonly steps: readonly {
    readonly do: string; readonly now: number; readonly id?: string; readonly mask?: number; readonly sources?: readonly string[]; readonly pushing: readonly string[];
  }[];
}>('repair-sources.json');

it('who pushes each slice, as in Go', () => {
  const track: CatalogTrack = { number: 1, name: 'v', kind: 'video', bitrate: 1_000_000, slices: 2 };
  const up = new Set(['edge']);
  const mute = new Set<string>();
  const reputation = new Reputation();
  const policy = new SourcePolicy(new TrackParts(track), {
    strain: new Strain(), retreat: new Retreat(1), usable: (id) => up.has(id) && !mute.has(id), trust: (id) => reputation.of(id),
    onSlow: () => undefined, cancel: () => undefined, hasAnnounced: () => false, children: () => 0, roundTrip: () => 0,
  }, 0);
  steps.forEach((s, i) => {
    const { now, id = '', sources = [] } = s;
    if (s.do === 'assign') policy.assign([0, 1].map((slice) => ({ slice, parent: sources[2 * slice] ?? '', backup: sources[2 * slice + 1] ?? '' })), now);
    else if (s.do === 'up') up.add(id);
    else if (s.do === 'gone') {
      up.delete(id);
      policy.gone(id, now);
    } else if (s.do === 'refused') policy.refused(id, s.mask ?? 0, now);
    else if (s.do === 'mute') {
      mute.add(id);
      policy.silence(id, reputation.of(id).strike(now).avoidMs, now);
    } else if (s.do === 'heard') {
      mute.delete(id);
      if (policy.heardAgain(id, now)) reputation.of(id).excuse();
    }
    policy.reconsider(now);
    expect(policy.current, `step ${i}: ${s.do} ${id} at ${now}`).toEqual(s.pushing);
  });
});
