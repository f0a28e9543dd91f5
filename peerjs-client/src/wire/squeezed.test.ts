import { describe, expect, it } from 'vitest';
import { toBase64Url } from './bytes.js';
import { expandCandidate, squeezeCandidate } from './squeezed-candidate.js';
import { expandDescription, squeezeDescription } from './squeezed-description.js';
import { garbage, readVectors, seeded } from './testing.js';

const vectors = readVectors<{
  readonly descriptions: readonly { readonly name: string; readonly sdp: string; readonly squeezed: string; readonly expanded: string }[];
  readonly candidates: readonly { readonly name: string; readonly candidate: string; readonly squeezed: string; readonly expanded: string }[];
  readonly dropped: readonly string[];
  readonly badSdp: readonly string[];
  readonly badCandidates: readonly string[];
  readonly badSqueezedDescriptions: readonly string[];
  readonly badSqueezedCandidates: readonly string[];
  readonly longerSqueezedDescriptions: readonly string[];
  readonly longerSqueezedCandidates: readonly string[];
}>('squeezed-sdp.json');

describe('descriptions', () => {
  it.each(vectors.descriptions)('$name', (v) => {
    expect(squeezeDescription(v.sdp)).toBe(v.squeezed);
    expect(expandDescription(v.squeezed)).toBe(v.expanded);
    expect(squeezeDescription(v.expanded)).toBe(v.squeezed);
    expect(v.squeezed.length).toBeLessThanOrEqual(200);
  });
  it.each(vectors.badSdp)('refuses description %#', (sdp) => {
    expect(squeezeDescription(sdp)).toBeUndefined();
  });
  it.each(vectors.badSqueezedDescriptions)('refuses squeezed description %#', (text) => {
    expect(expandDescription(text)).toBeUndefined();
  });
  it.each(vectors.longerSqueezedDescriptions)('ignores what a later version adds %#', (text) => {
    expect(expandDescription(text)).toBeDefined();
  });
});

describe('candidates', () => {
  it.each(vectors.candidates)('$name', (v) => {
    expect(squeezeCandidate(v.candidate)).toBe(v.squeezed);
    expect(expandCandidate(v.squeezed)).toBe(v.expanded);
    expect(squeezeCandidate(v.expanded)).toBe(v.squeezed);
  });
  it.each([...vectors.dropped, ...vectors.badCandidates])('does not carry %s', (text) => {
    expect(squeezeCandidate(text)).toBeUndefined();
  });
  it.each(vectors.badSqueezedCandidates)('refuses squeezed candidate %s', (text) => {
    expect(expandCandidate(text)).toBeUndefined();
  });
  it.each(vectors.longerSqueezedCandidates)('ignores what a later version adds %s', (text) => {
    expect(expandCandidate(text)).toBeDefined();
  });
});

it('garbage never becomes SDP with a line of its own', () => {
  const random = seeded(5);
  const bytes = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
  const descriptions = vectors.descriptions.map((v) => bytes(v.squeezed));
  const candidates = vectors.candidates.map((v) => bytes(v.squeezed));
  let expanded = 0;
  for (let i = 0; i < 4_000; i++) {
    const sdp = expandDescription(toBase64Url(garbage(random, 120, descriptions)));
    if (sdp !== undefined) {
      expanded++;
      expect(sdp.split('\r\n').length).toBe(16);
    }
    const attribute = expandCandidate(toBase64Url(garbage(random, 40, candidates)));
    if (attribute) {
      expanded++;
      expect(attribute).toMatch(/^candidate:\d+ 1 udp \d+ [0-9a-f.:\-local]+ \d+ typ (host|srflx|prflx|relay)( raddr (0\.0\.0\.0|::) rport 0)?$/);
      expect(squeezeCandidate(attribute)).toBeDefined();
    }
  }
  expect(expanded).toBeGreaterThan(100);
});
