import { describe, expect, it } from 'vitest';
import { TestOrigin } from '../testing/test-origin.js';
import { parsePartHeader } from '../wire/part-header.js';
import { readVectors } from '../wire/testing.js';
import type { CatalogTrack } from './catalog.js';
import type { PartEntry } from './part-entry.js';
import { partText } from './part-id.js';
import { Reputation } from './reputation.js';
import { SourcePolicy } from './source-policy.js';
import { Retreat, Strain } from './strain.js';
import { TrackParts } from './track-parts.js';

interface Step {
  readonly do: string;
  readonly now: number;
  readonly id?: string;
  readonly index: number;
  readonly chunk: number;
  readonly ms?: number;
  readonly sources?: readonly string[];
  readonly pushing: readonly string[];
  readonly from: readonly string[];
  readonly old: readonly string[];
}

const { scenarios } = readVectors<{ readonly scenarios: readonly { readonly name: string; readonly steps: readonly Step[] }[] }>('repair-begin.json');
const track: CatalogTrack = { number: 1, name: 'v', kind: 'video', bitrate: 1_000_000, slices: 2 };
const origin = new TestOrigin();
const chunkBytes = 1_500;

/** The policy of one track and what it asks of the world. */
class Viewer {
  readonly #parts = new TrackParts(track);
  readonly #up = new Set(['edge']);
  readonly #announced = new Set<string>();
  readonly #roundTrips = new Map<string, number>();
  readonly #reputation = new Reputation();
  readonly #policy = new SourcePolicy(this.#parts, {
    strain: new Strain(), retreat: new Retreat(1), usable: (id) => this.#up.has(id), trust: (id) => this.#reputation.of(id),
    onSlow: () => undefined, cancel: () => undefined, hasAnnounced: (id, entry) => this.#announced.has(`${id} ${entry.key}`), children: () => 0,
    roundTrip: (id) => this.#roundTrips.get(id) ?? 0,
  }, 0);

  apply({ do: event, now, id = '', index, chunk, ms = 0, sources = [] }: Step): void {
    if (event === 'assign') this.#policy.assign([0, 1].map((slice) => ({ slice, parent: sources[2 * slice] ?? '', backup: sources[2 * slice + 1] ?? '' })), now);
    else if (event === 'up') this.#up.add(id);
    else if (event === 'gone') {
      this.#up.delete(id);
      this.#policy.gone(id, now);
    } else if (event === 'rtt') this.#roundTrips.set(id, ms);
    else if (event === 'seen') this.#begin(index, now);
    else if (event === 'has') this.#announced.add(`${id} ${this.#part(index, now).key}`);
    else if (event === 'chunk') this.#take(this.#part(index, now), chunk, id, now);
    this.#policy.reconsider(now); // what the event leads to
    this.#policy.reconsider(now); // and the tick after it
  }

  /** Who pushes each slice, from which part on where `was` says that it changed, and who still pushes what is before. */
  state(was: readonly string[]): Pick<Step, 'pushing' | 'from' | 'old'> {
    const pushing = this.#policy.current;
    const commands = this.#policy.drain();
    const asked = (id: string, slice: number): string => {
      const command = commands.findLast((c) => c.kind === 'subscribe' && c.id === id && c.slice === slice);
      return command === undefined ? '' : partText(command.from);
    };
    const ids = [...this.#up];
    return {
      pushing, from: pushing.map((id, s) => (was[s] === id ? '' : asked(id, s))),
      old: pushing.map((id, s) => ids.find((other) => other !== id && this.#policy.subscriptionsOf(other).some((c) => c.slice === s)) ?? ''),
    };
  }

  #part(index: number, now: number): PartEntry {
    const entry = this.#parts.ensure({ msn: 7, index }, now);
    if (entry === undefined) throw new Error(`part ${index} is over`);
    return entry;
  }

  #begin(index: number, now: number): void {
    const header = parsePartHeader(origin.part(track, { msn: 7, index }, 2 * chunkBytes).header);
    const entry = this.#part(index, now);
    if (header?.chunks !== 2) throw new Error('a part of two chunks was expected');
    entry.begin(header, now);
    this.#policy.headed(entry, 'edge');
  }

  #take(entry: PartEntry, chunk: number, id: string, now: number): void {
    const isFresh = entry.put(chunk, new Uint8Array(chunkBytes), id === 'edge' ? 'feed' : 'peer', now);
    this.#policy.pushed(entry, chunk, id, isFresh, now);
    if (entry.isComplete) this.#policy.judge(entry, now);
  }
}

describe('from which part on a source pushes, as in Go', () => {
  it.each(scenarios)('$name', ({ steps }) => {
    const viewer = new Viewer();
    let was: readonly string[] = ['', ''];
    steps.forEach((step, i) => {
      viewer.apply(step);
      const state = viewer.state(was);
      const { pushing, from, old } = step;
      expect(state, `step ${i}: ${step.do} ${step.id ?? ''} at ${step.now}`).toEqual({ pushing, from, old });
      was = state.pushing;
    });
  });
});
