// Bad input on every door: each gets a clear answer or a close, nothing
// crashes, and the viewers beside it notice nothing.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { request } from 'node:http';
import { connect } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { withBroadcast } from './lib/broadcast.mjs';
import { launchChromium, openViewer } from './lib/chromium.mjs';
import { again, describe, measure, noStalls, untilPlaying } from './lib/measure.mjs';
import { garbler } from './lib/probe.mjs';
import { delay } from './lib/process.mjs';

/** Writes bytes to a TCP port and fails if the other side keeps the connection. */
async function tcpGarbage(port, bytes) {
  const socket = connect(port, '127.0.0.1');
  const closed = new Promise((done) => socket.once('close', done));
  socket.on('error', () => {}); // a reset is a close too
  socket.write(bytes);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), 20_000);
  const start = performance.now();
  await closed;
  clearTimeout(timer);
  assert.ok(performance.now() - start < 19_000, `port ${port} kept a connection of garbage open`);
}

async function udpGarbage(port, packets) {
  const socket = createSocket('udp4');
  for (const packet of packets) await new Promise((done) => socket.send(packet, port, '127.0.0.1', done));
  socket.close();
}

/** Sends messages on a WebSocket and gives the close code. */
async function socketGarbage(url, protocol, messages) {
  const socket = new WebSocket(url, protocol);
  await once(socket, 'open');
  const replies = [];
  socket.on('message', (data, isBinary) => replies.push(isBinary ? data : String(data)));
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  for (const message of messages) socket.send(message);
  const timer = setTimeout(() => socket.terminate(), 20_000);
  const [code] = await closed;
  clearTimeout(timer);
  return { code, replies };
}

function status(base, path, { method = 'GET', headers = {} } = {}) {
  const url = new URL(base);
  return new Promise((done, fail) => {
    const sent = request({ host: '127.0.0.1', port: url.port, path, method, headers }, (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (text) => (body += text.slice(0, 2000)));
      answer.on('end', () => done({ code: answer.statusCode, body }));
    });
    sent.on('error', fail);
    sent.end();
  });
}

test('garbage on every port harms nobody', { timeout: 200_000 }, (t) =>
  withBroadcast(async ({ watchUrl, server, streamUrl }) => {
    const browser = await launchChromium();
    t.after(() => browser.close());
    const viewers = [];
    for (let i = 1; i <= 2; i++) viewers.push(await openViewer(browser, watchUrl, { name: `viewer ${i}` }));
    const rude = await openViewer(browser, watchUrl, { name: 'garbler', scripts: [garbler] });
    await untilPlaying(viewers);
    await delay(4000);
    const attack = async () => {
      const measured = measure(viewers, 25);

      const { ports } = server;
      for (const size of [1, 100, 5000, 100_000]) await tcpGarbage(ports.rtmp, randomBytes(size));
      await tcpGarbage(ports.http, randomBytes(5000));
      await tcpGarbage(ports.https, randomBytes(5000));
      const packets = [0, 1, 20, 1200, 1400].map((size) => randomBytes(size));
      for (const port of [ports.relay, ports.stun]) await udpGarbage(port, packets);

      const tracker = `${server.http.replace('http', 'ws')}/tracker`;
      const nonsense = ['{', '[]', '{"type":"beacon"}', '{"type":"signal","to":"x"}', '"join"', randomBytes(300), '{"type":"join","version":99,"stream":"live/test"}'];
      const refused = await socketGarbage(tracker, 'starling-tracker.1', [...nonsense, ...nonsense, ...nonsense]);
      assert.ok(refused.replies.some((reply) => JSON.parse(reply).type === 'error'), 'the tracker says what is wrong');
      assert.ok([1003, 1007, 1008, 1009].includes(refused.code), `tracker closed with ${refused.code}`);
      const oversized = await socketGarbage(tracker, 'starling-tracker.1', ['x'.repeat(1 << 20)]);
      assert.ok([1008, 1009].includes(oversized.code), `tracker closed an oversized message with ${oversized.code}`);

      const feed = `${streamUrl.replace('http', 'ws').replace('/live', '/feed/live')}`;
      for (const message of [randomBytes(64), Buffer.from([2, 255]), randomBytes(1 << 17)]) {
        const cut = await socketGarbage(feed, 'starling-peer.1', [message]);
        assert.notEqual(cut.code, 1006, 'the feed closes with a reason');
      }

      const answers = {
        '/nosuch/stream/index.m3u8': 404,
        '/live/test/v999/index.m3u8': 404,
        '/live/test/v360/index.m3u8?_HLS_msn=x': 400,
        '/live/test/v360/index.m3u8?_HLS_msn=-1': 400,
        '/live/test/v360/index.m3u8?_HLS_part=1': 400,
        '/live/test/v360/index.m3u8?_HLS_msn=99999999999999': 400,
        '/live/test/v360/1.0.m4s': 404,
        '/live/test/v360/../../../../etc/passwd': 404,
        '/%00': 404,
        '/metrics': 404,
        '/api/v1/streams': 404,
      };
      for (const [path, want] of Object.entries(answers)) {
        const { code, body } = await status(server.http, path);
        assert.ok(code === want || (want === 404 && code === 400) || (want === 404 && code === 410), `${path}: ${code} ${body}`);
        assert.ok(body.length > 0, `${path}: an error says what is wrong`);
      }
      assert.equal((await status(server.http, '/live/test/index.m3u8', { method: 'POST' })).code, 405);

      const result = await measured;
      t.diagnostic(`\n${describe(result)}`);
      return result;
    };
    // Wrong answers are wrong at once; a stall must come again with the next attack to be its work.
    const judgedOnce = (error) => Promise.reject(new Error(error.message, { cause: error }));
    await again(t, async () => noStalls(await attack().catch(judgedOnce)));
    assert.ok(await rude.evaluate(() => window.garbled) > 0, 'the garbler had a channel to send garbage on');
    assert.ok((await fetch(`${server.admin}/healthz`)).ok);
  }));
