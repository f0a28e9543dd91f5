import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { garbage, readVectors, seeded } from '../wire/testing.js';
import { covers, lastPart, nextPart, renderPlaylist, withPart, type MediaPlaylist, type PartFacts } from './playlist-model';
import { parsePlaylist } from './playlist-parser';

interface Step {
  readonly header: { readonly msn: number; readonly index: number; readonly flags: number; readonly discontinuity: number; readonly init: number; readonly pdtMicros: number; readonly durationMicros: number };
  readonly needsEdge?: boolean;
  readonly full: string;
  readonly delta: string;
  readonly text?: string;
}

const scenarios = readVectors<readonly { readonly name: string; readonly steps: readonly Step[] }[]>('playlist.json');
const sum = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);
const withoutReports = (text: string) => text.replaceAll(/#EXT-X-RENDITION-REPORT:.*\n/g, '');

function facts({ header }: Step): PartFacts {
  const { flags } = header;
  return { ...header, independent: (flags & 1) !== 0, last: (flags & 2) !== 0, gap: (flags & 4) !== 0, discontinuous: (flags & 8) !== 0 };
}

describe('a playlist written from headers', () => {
  it.each(scenarios)('is the edge\'s own: $name', ({ steps }) => {
    let playlist: MediaPlaylist | undefined;
    for (const step of steps) {
      const part = facts(step);
      const grown: MediaPlaylist | undefined = playlist === undefined ? undefined : withPart(playlist, part);
      expect(grown === undefined, `${part.msn}.${part.index} needs the edge`).toBe(step.needsEdge === true);
      if (step.text !== undefined) {
        playlist = parsePlaylist(step.text, playlist);
        expect(playlist && renderPlaylist(playlist, false)).toBe(withoutReports(step.text));
      } else if (grown !== undefined) {
        playlist = grown;
      } else {
        continue;
      }
      if (playlist === undefined) throw new Error('no playlist');
      expect(sum(renderPlaylist(playlist, false)), `full playlist at ${part.msn}.${part.index}`).toBe(step.full);
      expect(sum(renderPlaylist(playlist, true)), `delta update at ${part.msn}.${part.index}`).toBe(step.delta);
      expect(lastPart(playlist)).toEqual({ msn: part.msn, index: part.index });
    }
  });

  it('goes on from a delta update of the edge, and refuses one that skips what it does not know', () => {
    const { steps } = scenarios[0] ?? { steps: [] };
    const first = parsePlaylist(steps[0]?.text ?? '');
    if (first === undefined) throw new Error('no playlist');
    const delta = renderPlaylist(first, true);
    expect(delta).toContain('#EXT-X-SKIP');
    expect(parsePlaylist(delta, first)).toEqual(first);
    expect(parsePlaylist(delta)).toBeUndefined();
    expect(parsePlaylist(delta, { ...first, segments: first.segments.slice(3) })).toBeUndefined();
  });

  it('knows which part a reload may be answered with', () => {
    const playlist = parsePlaylist(scenarios[0]?.steps[0]?.text ?? '');
    if (playlist === undefined) throw new Error('no playlist');
    const { msn, index } = lastPart(playlist);
    expect(nextPart(playlist)).toEqual({ msn, index: index + 1 });
    expect(covers(playlist, { msn, index })).toBe(true);
    expect(covers(playlist, { msn: msn - 1, index: 99 })).toBe(true);
    expect(covers(playlist, nextPart(playlist))).toBe(false);
    const ended = { ...playlist, growing: undefined };
    const last = playlist.segments.at(-1);
    expect(covers(ended, { msn: last?.msn ?? 0, index: last?.parts.length ?? 0 })).toBe(false); // part 0 of the next
  });

  it('takes parts in their order only', () => {
    const { steps } = scenarios[0] ?? { steps: [] };
    const playlist = parsePlaylist(steps[0]?.text ?? '');
    const [second, third] = steps.slice(1).map(facts);
    if (playlist === undefined || second === undefined || third === undefined) throw new Error('no playlist');
    expect(withPart(playlist, third)).toBeUndefined();
    expect(withPart(playlist, { ...second, discontinuity: 1 })).toBeUndefined();
    const grown = withPart(playlist, second);
    expect(grown && withPart(grown, second)).toBeUndefined();
    expect(grown && withPart(grown, { ...third, discontinuous: true })).toBeUndefined();
    expect(grown && withPart(grown, { ...third, discontinuity: 9 })).toBeUndefined();
  });
});

describe('parsePlaylist', () => {
  const text = scenarios[0]?.steps[0]?.text ?? '';

  it('refuses playlists that ended, of others, and broken ones', () => {
    expect(parsePlaylist(text)).toBeDefined();
    for (const bad of ['', '#EXTM3U\n', `${text}#EXT-X-ENDLIST\n`, text.replace('#EXT-X-PART-INF:PART-TARGET=0.334\n', ''),
      text.replace('#EXT-X-GAP', '#EXT-X-KEY:METHOD=NONE').replace('#EXTINF', '#EXT-X-BYTERANGE:5@0\n#EXTINF'), text.replace('895000003.m4s', '895000007.m4s'),
      text.replaceAll('.m4s\n', '.ts\n')]) {
      expect(parsePlaylist(bad)).toBeUndefined();
    }
  });

  it('survives whatever a network may send', () => {
    const random = seeded(5);
    const samples = [new TextEncoder().encode(text)];
    for (let i = 0; i < 400; i++) {
      const broken = new TextDecoder().decode(garbage(random, 2000, samples));
      const playlist = parsePlaylist(broken);
      if (playlist !== undefined) expect(renderPlaylist(playlist, true)).toContain('#EXT-X-PRELOAD-HINT');
    }
  });
});
