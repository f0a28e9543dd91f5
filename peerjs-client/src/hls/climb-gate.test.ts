import Hls from 'hls.js';
import { describe, expect, it } from 'vitest';
import { ClimbGate, gatedAbr, type GatePart, type GatePlaylist } from './climb-gate';

const part = (sn: number, index: number): GatePart => ({ fragment: { sn }, index });

/** Segment 7 is complete with three parts, segment 8 is under way. */
const playlist: GatePlaylist = { partList: [part(7, 0), part(7, 1), part(7, 2), part(8, 0)], fragmentHint: { sn: 8 }, targetduration: 2 };

describe('ClimbGate', () => {
  it('lets a rung begin where a segment ends', () => {
    const gate = new ClimbGate();
    expect(gate.mayClimb(playlist, 0.5)).toBe(true); // nothing is loaded yet
    gate.note(part(7, 1));
    expect(gate.mayClimb(playlist, 0.5)).toBe(false);
    gate.note(part(7, 2));
    expect(gate.mayClimb(playlist, 0.5)).toBe(true);
    gate.note(part(8, 0));
    expect(gate.mayClimb(playlist, 0.5)).toBe(false);
  });

  it('does not wait with a long buffer, without parts, or after a whole segment', () => {
    const gate = new ClimbGate();
    gate.note(part(8, 0));
    expect(gate.mayClimb(playlist, 4.5)).toBe(true);
    expect(gate.mayClimb({ ...playlist, partList: null }, 0.5)).toBe(true);
    expect(gate.mayClimb(undefined, 0.5)).toBe(true);
    gate.note(null);
    expect(gate.mayClimb(playlist, 0.5)).toBe(true);
  });
});

describe('gatedAbr', () => {
  const Abr = Hls.DefaultConfig.abrController;

  /** Has hls.js choose. */
  const levels = (hls: Hls, loadLevel: number, choice: number): void => {
    Object.defineProperty(hls, 'loadLevel', { get: () => loadLevel });
    Object.defineProperty(Abr.prototype, 'nextAutoLevel', { configurable: true, get: () => choice, set: () => undefined });
  };

  it('puts off climbs only', () => {
    const original = Object.getOwnPropertyDescriptor(Abr.prototype, 'nextAutoLevel');
    if (original === undefined) throw new Error('hls.js has no nextAutoLevel to gate');
    try {
      let isOpen = false;
      const hls = new Hls({ abrController: gatedAbr(() => isOpen) });
      levels(hls, 1, 2);
      expect(hls.nextAutoLevel).toBe(1);
      isOpen = true;
      expect(hls.nextAutoLevel).toBe(2);
      isOpen = false;
      const down = new Hls({ abrController: gatedAbr(() => false) });
      levels(down, 1, 0);
      expect(down.nextAutoLevel).toBe(0);
    } finally {
      Object.defineProperty(Abr.prototype, 'nextAutoLevel', original);
    }
  });
});
