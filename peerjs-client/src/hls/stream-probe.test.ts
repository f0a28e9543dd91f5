import { describe, expect, it } from 'vitest';
import { probeStream } from './stream-probe';

const target = { catalogUrl: 'https://e/live/demo/catalog.json', playlistUrl: 'https://e/live/demo/index.m3u8' };
const signal = new AbortController().signal;
const answer = (body: string, status = 200) => async () => new Response(body, { status });

describe('probeStream', () => {
  it.each([
    ['{"ended":false,"tracks":[{}]}', 200, 'live'],
    ['{"ended":true,"tracks":[{}]}', 200, 'ended'],
    ['{"tracks":[]}', 200, 'absent'],
    ['null', 200, 'unreachable'],
    ['no json', 200, 'unreachable'],
    ['', 404, 'absent'],
    ['', 503, 'unreachable'],
  ])('reads catalog %s with status %i as %s', async (body, status, state) => {
    expect(await probeStream(target, signal, answer(body, status))).toBe(state);
  });

  it('reads a foreign playlist', async () => {
    const foreign = { playlistUrl: 'https://e/x.m3u8' };
    expect(await probeStream(foreign, signal, answer('#EXTM3U\n#EXT-X-ENDLIST'))).toBe('ended');
    expect(await probeStream(foreign, signal, answer('#EXTM3U'))).toBe('live');
  });

  it('survives a network that is down', async () => {
    expect(await probeStream(target, signal, async () => { throw new TypeError('failed to fetch'); })).toBe('unreachable');
  });
});
