import { describe, expect, it } from 'vitest';
import { partDeadline, safetyMs, type PlaybackPosition } from './deadline';

const playing: PlaybackPosition = { currentTime: 10, playbackRate: 1, bufferedEnd: 10.7, isStarting: false, mediaStart: 10.7 };

describe('partDeadline', () => {
  it('is when the playhead reaches the part, less the safety margin', () => {
    expect(partDeadline(1000, playing)).toBeCloseTo(1000 + 700 - safetyMs);
  });

  it('comes sooner at a higher playback rate', () => {
    expect(partDeadline(1000, { ...playing, playbackRate: 1.1 })).toBeCloseTo(1000 + 700 / 1.1 - safetyMs);
  });

  it.each([
    ['at start-up', { isStarting: true }],
    ['with an empty buffer', { bufferedEnd: undefined }],
    ['for media that the playhead is about to reach', { mediaStart: 10.1 }],
    ['for media behind the playhead', { mediaStart: 9 }],
  ])('is now %s', (_, change) => {
    expect(partDeadline(1000, { ...playing, ...change })).toBe(1000);
  });
});
