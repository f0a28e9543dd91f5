import { describe, expect, it } from 'vitest';
import { attributesFromQuery, optionsFromAttributes, parseBitrate, streamFromPath } from './player-options';

const element = (attributes: Record<string, string>) => ({ getAttribute: (name: string) => attributes[name] ?? null });

describe('optionsFromAttributes', () => {
  it('has defaults', () => {
    expect(optionsFromAttributes(element({}))).toEqual({
      src: undefined, stream: undefined, base: undefined, p2p: true, uplink: undefined, feed: true, rung: undefined, latency: undefined, tracker: undefined, debug: false,
    });
  });

  it('reads every attribute', () => {
    expect(optionsFromAttributes(element({ stream: 'live/demo', base: 'https://e', p2p: 'off', uplink: '2.5M', feed: 'off', level: 'v360', latency: '0.8', tracker: 'wss://t/tracker', debug: '' }))).toEqual({
      src: undefined, stream: 'live/demo', base: 'https://e', p2p: false, uplink: 2.5e6, feed: false, rung: 'v360', latency: 0.8, tracker: 'wss://t/tracker', debug: true,
    });
    expect(optionsFromAttributes(element({ p2p: '', latency: 'soon' }))).toMatchObject({ p2p: true, latency: undefined });
  });
});

describe('parseBitrate', () => {
  it.each([['0', 0], ['8000000', 8e6], ['500k', 5e5], ['1 Gbit/s', 1e9], ['fast', undefined], ['-1', undefined], [null, undefined]])('reads %s', (text, value) => {
    expect(parseBitrate(text)).toBe(value);
  });
});

describe('pages', () => {
  it('take attributes from the query', () => {
    expect([...attributesFromQuery('?p2p=off&level=v360&stats=1&muted=0&other=1')]).toEqual([['p2p', 'off'], ['level', 'v360'], ['stats', ''], ['muted', null]]);
  });

  it.each([['/watch/live/demo', 'live/demo'], ['/embed/live/demo/', 'live/demo'], ['/watch/demo', undefined], ['/watch/live/<b>', undefined]])('find the stream in %s', (path, stream) => {
    expect(streamFromPath(path)).toBe(stream);
  });
});
