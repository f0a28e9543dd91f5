import { expect, it } from 'vitest';
import { readVectors } from '../wire/testing.js';
import { HttpRate } from './edge-fetch.js';
import { Retreat } from './strain.js';

const vectors = readVectors<{
  readonly answers: readonly { readonly bytes: number; readonly first: number; readonly total: number; readonly nothing: number; readonly hundreds: number }[];
  readonly fairness: readonly { readonly edge: boolean; readonly late: boolean; readonly taken: number; readonly level: number; readonly edgeIsLate: boolean }[];
}>('repair-edge.json');

it('the time to leave for the edge, as in Go', () => {
  const rate = new HttpRate();
  vectors.answers.forEach((a, i) => {
    rate.note(a.bytes, a.first, a.total);
    expect([rate.reserveMs(0), rate.reserveMs(100_000)].map(Math.trunc), `step ${i}`).toEqual([a.nothing, a.hundreds]);
  });
});

it('what counts against peers, as in Go', () => {
  const retreat = new Retreat(1);
  vectors.fairness.forEach((f, i) => {
    retreat.note(f.edge, f.late);
    expect([retreat.level(f.taken), retreat.isEdgeLate], `step ${i}`).toEqual([f.level, f.edgeIsLate]);
  });
});
