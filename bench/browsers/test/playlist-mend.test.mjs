import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mendingLoader, wholeSegments, withoutDirectives } from '../page/playlist-mend.js';

const lowLatency = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:4
#EXT-X-PART-INF:PART-TARGET=0.334
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.002,HOLD-BACK=12
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-MAP:URI="init-1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
#EXT-X-PART:DURATION=0.333,URI="7.0.m4s",INDEPENDENT=YES
#EXTINF:2.00000,
7.m4s
#EXTINF:1.96700,
8.m4s
#EXT-X-PART:DURATION=0.333,URI="9.0.m4s"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="9.1.m4s"
#EXT-X-RENDITION-REPORT:URI="../a96/index.m3u8",LAST-MSN=9,LAST-PART=0
`;

test('a playlist without low latency keeps its segments and nothing of parts', () => {
  const plain = wholeSegments(lowLatency, { blocking: false });
  assert.equal(plain, `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-MAP:URI="init-1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
#EXTINF:2.00000,
7.m4s
#EXTINF:1.96700,
8.m4s
`);
  assert.match(wholeSegments(lowLatency, { blocking: true }), /^#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES$/m);
  const multivariant = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv360/index.m3u8\n';
  assert.equal(wholeSegments(multivariant, { blocking: false }), multivariant);
});

test('delivery directives leave the address, other queries stay', () => {
  assert.equal(withoutDirectives('http://edge/live/x/v/index.m3u8?_HLS_msn=4&_HLS_part=2'), 'http://edge/live/x/v/index.m3u8');
  assert.equal(withoutDirectives('http://edge/i.m3u8?token=a&_HLS_msn=4'), 'http://edge/i.m3u8?token=a');
});

test('the loader changes playlists and leaves media alone', () => {
  class Base {
    constructor(answer) {
      this.answer = answer;
    }
    load(context, config, callbacks) {
      callbacks.onSuccess(this.answer, 'stats');
    }
  }
  const loaded = (mend, answer) => {
    let got;
    new (mendingLoader(Base, mend))(answer).load({}, {}, { onSuccess: (...args) => (got = args) });
    return got;
  };
  const url = 'http://edge/v/index.m3u8?_HLS_msn=4';
  assert.deepEqual(loaded('strip', { data: lowLatency, url }), [{ data: lowLatency, url: 'http://edge/v/index.m3u8' }, 'stats']);
  assert.equal(loaded('none', { data: lowLatency, url })[0].url, url);
  const [whole] = loaded('whole', { data: lowLatency, url });
  assert.equal(whole.url, 'http://edge/v/index.m3u8');
  assert.doesNotMatch(whole.data, /EXT-X-PART/);
  const media = { data: new ArrayBuffer(4), url: 'http://edge/v/7.m4s?_HLS_x=1' };
  assert.equal(loaded('whole', media)[0], media);
});
