import { describe, expect, it } from 'vitest';
import { readVectors } from '../wire/testing.js';
import { ChunkSet } from './chunk-set.js';
import { plan, type Pending, type SliceView, type Step } from './repair-policy.js';
import { DEFAULT_RULES, patience, type Rules } from './rules.js';

interface VectorStep { readonly do: string; readonly peer?: string; readonly slice: number; readonly first: number; readonly count: number; readonly until: number }
interface VectorCase {
  readonly name: string;
  readonly now: number;
  readonly state: {
    readonly seenAt: number; readonly deadline: number; readonly header: boolean; readonly have: string; readonly retryAt: number; readonly strained: boolean; readonly edgeMs: number;
    readonly slices: readonly SliceView[];
    readonly neighbours: readonly { readonly id: string; readonly has: string; readonly load: number }[];
    readonly pending: readonly Pending[];
  };
  readonly steps: readonly VectorStep[];
}

const vectors = readVectors<{
  readonly rules: Rules;
  readonly patience: readonly { readonly slack: number; readonly patience: number }[];
  readonly cases: readonly VectorCase[];
}>('repair-policy.json');

function chunkSet(text: string): ChunkSet {
  const set = new ChunkSet(text.length);
  [...text].forEach((c, i) => c === '1' && set.add(i));
  return set;
}

function toVector(s: Step): VectorStep {
  const out = { do: s.kind, slice: 0, first: 0, count: 0, until: 0 };
  switch (s.kind) {
    case 'giveUp':
    case 'fetchAll':
      return out;
    case 'fetch':
      return { ...out, peer: 'edge', first: s.first, count: s.count };
    case 'switch':
      return { ...out, peer: s.peer, slice: s.slice };
    case 'cancel':
      return { ...out, peer: s.peer, first: s.first, count: s.count };
    case 'request':
      return { ...out, peer: s.peer, first: s.first, count: s.count, until: s.until };
  }
}

describe('repair policy, as in Go', () => {
  it('has the same rules', () => {
    expect(DEFAULT_RULES).toEqual(vectors.rules);
    for (const p of vectors.patience) expect(patience(DEFAULT_RULES, p.slack)).toBe(p.patience);
  });

  it.each(vectors.cases)('$name', (c) => {
    const steps = plan(DEFAULT_RULES, {
      ...c.state,
      have: c.state.header ? chunkSet(c.state.have) : undefined,
      neighbours: c.state.neighbours.map((h) => ({ id: h.id, has: chunkSet(h.has), load: h.load })),
    }, c.now);
    expect(steps.map(toVector)).toEqual(c.steps);
  });
});
