import { describe, expect, it } from 'vitest';
import { elementSnippet, ffmpegCommand, frameSnippet } from './snippets';
import { hueOf, parseStreams, trackLabel } from './streams';

describe('parseStreams', () => {
  it('keeps what is a stream', () => {
    const list = [{ id: 'live/demo', tracks: ['v720', 7, 'a128'], startedAtMs: 5 }, { id: '../x' }, null, { id: 'live/<script>' }, { id: 'live/b' }];
    expect(parseStreams(list)).toEqual([{ id: 'live/demo', tracks: ['v720', 'a128'], startedAtMs: 5 }, { id: 'live/b', tracks: [], startedAtMs: 0 }]);
    expect(() => parseStreams({})).toThrow();
  });
});

describe('names', () => {
  it.each([['v720', '720p'], ['a128', undefined], ['source', 'source']])('%s', (track, label) => {
    expect(trackLabel(track)).toBe(label);
  });
  it('keep their hue', () => {
    expect(hueOf('live/demo')).toBe(hueOf('live/demo'));
    expect(hueOf('live/a')).not.toBe(hueOf('live/b'));
  });
});

describe('snippets', () => {
  it('name the server and the stream', () => {
    expect(elementSnippet('https://cdn.example', 'live/demo')).toContain('base="https://cdn.example" stream="live/demo"');
    expect(frameSnippet('https://cdn.example', 'live/demo')).toContain('src="https://cdn.example/embed/live/demo"');
    expect(ffmpegCommand('cdn.example')).toContain('rtmp://cdn.example:1935/live/demo');
  });
});
