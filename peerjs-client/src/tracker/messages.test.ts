import { describe, expect, it } from 'vitest';
import { readVectors, seeded } from '../wire/testing.js';
import { parseTrackerMessage } from './messages.js';

interface MessageVector { readonly name: string; readonly from: string; readonly message: unknown }
interface TextVector { readonly name: string; readonly from: string; readonly text: string }

const vectors = readVectors<{ readonly messages: readonly MessageVector[]; readonly ignored: readonly TextVector[]; readonly refused: readonly TextVector[] }>('tracker-messages.json');
const fromTracker = vectors.messages.filter((v) => v.from === 'tracker');

describe('tracker messages', () => {
  it.each(fromTracker)('reads $name', (v) => {
    expect(parseTrackerMessage(JSON.stringify(v.message))).toEqual(v.message);
  });

  it.each([...vectors.ignored, ...vectors.refused].filter((v) => v.from === 'tracker'))('gives nothing for $name', (v) => {
    expect(parseTrackerMessage(v.text)).toBeUndefined();
  });

  it('bounds what a welcome may ask for', () => {
    const key = 'IVL40ZtxY97JMxYDLIBSbYw3Hw4CqYSYsqb4FU0Nx1c';
    const welcome = { type: 'welcome', id: 'v1', stream: 's', key, iceServers: [{ urls: 'stun:a' }, 3], beaconMs: 1, maxPeers: 9_999 };
    expect(parseTrackerMessage(JSON.stringify(welcome))).toEqual({ type: 'welcome', id: 'v1', stream: 's', key, iceServers: [], beaconMs: 500, maxPeers: 50, p2p: true });
  });

  it('reads garbage without harm', () => {
    const random = seeded(6);
    const texts = fromTracker.map((v) => JSON.stringify(v.message));
    let read = 0;
    for (let i = 0; i < 5_000; i++) {
      const text = [...texts[Math.floor(random() * texts.length)] ?? ''];
      for (let n = Math.floor(random() * 5); n > 0; n--) {
        text[Math.floor(random() * text.length)] = random() < 0.5 ? '' : String.fromCharCode(32 + Math.floor(random() * 96));
      }
      const m = parseTrackerMessage(text.join(''));
      if (m === undefined) continue;
      read++;
      if (m.type === 'assign') expect(m.tracks.every((t) => t.slices.every((s) => s.slice <= 15 && s.parent.length > 0))).toBe(true);
    }
    expect(read).toBeGreaterThan(500);
    for (const value of [undefined, 7, new ArrayBuffer(3), '[]', 'null', '"x"', 'x'.repeat(20_000)]) expect(parseTrackerMessage(value)).toBeUndefined();
  });
});
