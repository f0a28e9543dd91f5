import { describe, expect, it } from 'vitest';
import { locatePlaylist, locateStream, parseMediaUrl, trackOfPlaylist } from './media-url';

describe('parseMediaUrl', () => {
  it('reads parts and segments, whatever the host and query', () => {
    expect(parseMediaUrl('https://a.example/live/demo/v720/895000000.3.m4s')).toEqual({ stream: 'live/demo', track: 'v720', msn: 895000000, index: 3 });
    expect(parseMediaUrl('/cdn/x/live/demo/a128/895000000.m4s?token=a.b#t')).toEqual({ stream: 'live/demo', track: 'a128', msn: 895000000, index: undefined });
  });

  it.each([
    'https://a.example/live/demo/v720/init-1.mp4',
    'https://a.example/live/demo/v720/index.m3u8',
    'https://a.example/live/demo/v720/12.3.4.m4s',
    'https://a.example/live/demo/v720/x1.m4s',
    'https://a.example/live/demo/v720/9999999999999999.m4s',
    'https://a.example/12.m4s',
    'https://a.example/?u=/live/demo/v720/1.m4s',
    '',
  ])('leaves %s to the plain loader', (url) => {
    expect(parseMediaUrl(url)).toBeUndefined();
  });
});

describe('locations', () => {
  it('names the stream and its playlist', () => {
    expect(locateStream('https://a.example/', 'live/demo')).toEqual({
      baseUrl: 'https://a.example/live/demo/',
      stream: 'live/demo',
      playlistUrl: 'https://a.example/live/demo/index.m3u8',
    });
  });

  it('reads a playlist address back, query kept for the request only', () => {
    expect(locatePlaylist('https://a.example/x/live/demo/index.m3u8?t=1')).toEqual({
      baseUrl: 'https://a.example/x/live/demo/',
      stream: 'live/demo',
      playlistUrl: 'https://a.example/x/live/demo/index.m3u8?t=1',
    });
    expect(locatePlaylist('https://a.example/movie.m3u8')).toBeUndefined();
  });

  it('takes the track name from a media playlist', () => {
    expect(trackOfPlaylist('https://a.example/live/demo/v720/index.m3u8?_HLS_msn=3')).toBe('v720');
    expect(trackOfPlaylist('https://a.example/other.m3u8')).toBeUndefined();
  });
});
