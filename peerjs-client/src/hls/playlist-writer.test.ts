import { describe, expect, it } from 'vitest';
import { readVectors } from '../wire/testing.js';
import type { PartFacts } from './playlist-model';
import { PlaylistWriter } from './playlist-writer';

interface Step {
  readonly header: Omit<PartFacts, 'independent' | 'last' | 'gap' | 'discontinuous'> & { readonly flags: number };
  readonly text?: string;
}

const scenarios = readVectors<readonly { readonly name: string; readonly steps: readonly Step[] }[]>('playlist.json');

/** The edge's first playlist of a scenario, and the headers that follow. */
function scenario(name: string): { readonly text: string; readonly parts: readonly PartFacts[] } {
  const steps = scenarios.find((s) => s.name === name)?.steps ?? [];
  const parts = steps.map(({ header }) => ({
    ...header, independent: (header.flags & 1) !== 0, last: (header.flags & 2) !== 0, gap: (header.flags & 4) !== 0, discontinuous: (header.flags & 8) !== 0,
  }));
  return { text: steps[0]?.text ?? '', parts };
}

const { text, parts } = scenario('the window slides');
const [zero, one, two, three] = parts as [PartFacts, PartFacts, PartFacts, PartFacts];
const partMs = 334;
const reload = (part: PartFacts) => ({ part, isDelta: false });

describe('PlaylistWriter', () => {
  it('answers with the header, and not before', () => {
    const writer = new PlaylistWriter();
    expect(writer.answer(reload(zero))).toBeUndefined();
    writer.take(text, 0);
    expect(writer.answer(reload(zero))).toContain(`${one.msn}.1.m4s`);
    expect(writer.has(reload(one))).toBe(false);
    writer.note(one, 300);
    expect(writer.answer(reload(one))).toContain(`#EXT-X-PART:DURATION=0.333333,URI="${one.msn}.1.m4s"`);
    expect(writer.answer({ part: one, isDelta: true })).toContain('#EXT-X-SKIP');
  });

  it('keeps headers that come before the playlist, or out of order', () => {
    const writer = new PlaylistWriter();
    writer.note(two, 0);
    writer.take(text, 10);
    expect(writer.has(reload(two))).toBe(false);
    writer.note(one, 20);
    expect(writer.has(reload(two))).toBe(true);
  });

  it('waits a part and a half for the next header, where headers keep up', () => {
    const writer = new PlaylistWriter();
    expect(writer.patience(0)).toBe(-Infinity);
    writer.take(text, 0);
    expect(writer.patience(0)).toBe(-Infinity); // none came yet
    writer.note(zero, 40);
    expect(writer.patience(50)).toBe(1.5 * partMs);
    writer.note(one, 340);
    expect(writer.patience(350)).toBe(340 + 1.5 * partMs);
    expect(writer.patience(340 + 4 * partMs)).toBe(-Infinity); // they stopped
  });

  it('asks the edge when a header is missing in between, and goes on by itself after it', () => {
    const writer = new PlaylistWriter();
    writer.take(text, 0);
    writer.note(zero, 0);
    writer.note(two, 600);
    writer.note(three, 900);
    expect(writer.has(reload(one))).toBe(false);
    expect(writer.patience(900)).toBe(1.5 * partMs); // passed: the playlist has not grown
    const whole = new PlaylistWriter();
    whole.take(text, 0);
    whole.note(one, 0);
    writer.take(whole.answer(reload(one)) ?? '', 950);
    expect(writer.has(reload(three))).toBe(true);
    expect(writer.patience(960)).toBe(950 + 1.5 * partMs);
  });

  it('does not wait for headers that are more than a part behind', () => {
    const writer = new PlaylistWriter();
    writer.note(zero, 0);
    const whole = new PlaylistWriter();
    whole.take(text, 0);
    for (const part of [one, two, three]) whole.note(part, 0);
    writer.take(whole.answer(reload(three)) ?? '', 10);
    expect(writer.patience(20)).toBe(-Infinity);
    writer.note(two, 30);
    expect(writer.patience(40)).toBe(10 + 1.5 * partMs);
  });

  it('forgets what it wrote when the edge ends the stream or restarts it', () => {
    const writer = new PlaylistWriter();
    writer.take(text, 0);
    writer.note(one, 0);
    writer.take(`${text.replaceAll(/#EXT-X-(?:PRELOAD|RENDITION).*\n/g, '')}#EXT-X-ENDLIST\n`, 10);
    expect(writer.has(reload(zero))).toBe(false);
    expect(writer.patience(10)).toBe(-Infinity);
    const restart = scenario('a restarted origin');
    writer.take(restart.text, 20);
    for (const part of restart.parts.slice(0, 4)) writer.note(part, 30);
    expect(writer.has(reload(restart.parts[3] as PartFacts))).toBe(false);
  });

  it('bounds what it keeps', () => {
    const writer = new PlaylistWriter();
    for (let msn = 0; msn < 500; msn++) writer.note({ ...zero, msn: one.msn + 1000 + msn }, 0);
    writer.take(text, 0);
    writer.note(one, 0);
    expect(writer.has(reload(one))).toBe(true);
  });
});
