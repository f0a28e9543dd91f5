import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePlayer } from '../lib/players.mjs';
import { cdf, isSaturated, mainErrors, quantiles, toResult } from '../lib/result.mjs';
import { curves, toMarkdown } from '../lib/receipt.mjs';

function outcome({ idle = 0.5, latency = 1000, share = 0.5, stalls = [] } = {}) {
  const row = (name) => ({ name, dataChannel: 500, http: 250, feed: 250, requests: 20, latencies: [latency, latency + 100], heights: [360], stalls, stallMs: 300 * stalls.length, startedAfterMs: 700 });
  const counters = (n) => ({ before: { ours: { peerBytes: 0, feedBytes: 0, httpBytes: 0, duplicateBytes: 0, controlBytes: 0, rejectedBytes: 0 } }, after: { ours: { peerBytes: 490 * n, feedBytes: 245, httpBytes: 245, duplicateBytes: 20, controlBytes: 10, rejectedBytes: 0 }, firstPeerByteMs: 400 } });
  return {
    browserVersion: '1',
    measured: { rows: [row('viewer 1'), row('viewer 2')], seconds: 10, dataChannel: 1000, http: 500, feed: 500, share, stalls: [...stalls, ...stalls] },
    machine: { cores: { chromium: 0.6, starling: 0.1 }, idle, steal: 0 },
    undisturbed: { cores: { chromium: 0.4 }, idle, steal: 0 },
    memory: 200e6,
    pages: [{ thread: 0.1, process: 0.2, script: 0.05, heap: 10e6 }, { thread: 0.2, process: 0.3, script: 0.05, heap: 20e6 }],
    channels: [{ received: 510, sent: 500, connected: 1 }, { received: 510, sent: 500, connected: 1 }],
    own: [counters(1), counters(1)],
    errors: [],
  };
}

test('figures are per viewer, shares are 0 to 1, times milliseconds', () => {
  const result = toResult(parsePlayer('ours'), 2, outcome());
  const { figures: f, quantiles: q } = result;
  assert.equal(f.offload, 0.5);
  assert.equal(f.bound, 0.5);
  assert.equal(f.boundShare, 1);
  assert.equal(f.edgeCopies, 1);
  assert.equal(f.cpu, 0.2);
  assert.equal(f.memory, 100);
  assert.equal(f.requestRate, 2);
  assert.ok(Math.abs(f.pageThread - 0.15) < 1e-9);
  assert.equal(f.duplicates, 0.02);
  assert.equal(f.control, 0.01);
  assert.equal(f.ownOffload, 0.5);
  assert.deepEqual(q.latency, { n: 4, p50: 1000, p95: 1100, p99: 1100, max: 1100 });
  assert.equal(q.firstPeerByte.p50, 400);
  assert.equal(result.perViewer[1].figures.heap, 20);
});

test('what was not measured is missing and not 0', () => {
  const silent = toResult(parsePlayer('hls'), 2, { ...outcome({ share: NaN }), own: [{ before: {}, after: {} }, { before: {}, after: {} }] });
  for (const name of ['offload', 'bound', 'duplicates', 'ownOffload']) assert.ok(!(name in silent.figures), name);
  assert.ok(!('firstPeerByte' in silent.quantiles));
  const failed = toResult(parsePlayer('p2pml-default'), 2, { error: 'waited for viewer 1' });
  assert.deepEqual(failed.figures, {});
  assert.match(failed.about, /did not play: waited/);
});

test('a full machine is said', () => {
  assert.equal(isSaturated(toResult(parsePlayer('ours'), 2, outcome({ idle: 0.05 }))), true);
  assert.equal(isSaturated(toResult(parsePlayer('ours'), 2, outcome({ idle: 0.2 }))), false);
});

test('errors are told once, the frequent ones first', () => {
  assert.deepEqual(mainErrors(['a', 'b', 'b', 'c'.repeat(300)], 2), ['b (2 times)', 'a']);
  assert.equal(mainErrors(['c'.repeat(300)])[0].length, 160);
  assert.deepEqual(mainErrors([]), []);
});

test('quantiles and the distribution of samples', () => {
  assert.equal(quantiles([]), undefined);
  assert.deepEqual(quantiles([3, 1, 2]), { n: 3, p50: 2, p95: 3, p99: 3, max: 3 });
  const points = cdf(Array.from({ length: 1000 }, (_, i) => i + 1), 10);
  assert.deepEqual(points[0], { x: 100, y: 0.1 });
  assert.deepEqual(points.at(-1), { x: 1000, y: 1 });
  assert.deepEqual(cdf([5]), [{ x: 5, y: 1 }]);
});

test('a curve is drawn for players at two distances or more', () => {
  const entry = (spec, latency, share) => ({ player: parsePlayer(spec), result: toResult(parsePlayer(spec), 2, outcome({ latency, share })) });
  const [curve] = curves([entry('ours@3', 3000, 0.5), entry('ours@1', 1000, 0.4), entry('p2pml-tuned@6', 7000, 0.3), entry('hls', 1200, NaN)]);
  assert.deepEqual(curve.lines.map((line) => [line.name, line.points.map((point) => point.x)]), [['Starling', [1000, 3000]]]);
  assert.deepEqual(curves([entry('ours', 1000, 0.4)]), []);
});

test('the table has a row for each player, dashes where nothing was measured', () => {
  const results = [toResult(parsePlayer('ours'), 2, outcome()), toResult(parsePlayer('p2pml-default'), 2, { error: 'no picture' })];
  const text = toMarkdown({ title: 'T', viewers: 2, seconds: 10, warmupSeconds: 5, partMs: 333, command: 'node x', settings: { bitrate: '1.5 Mbit/s' }, notes: ['N.'], results });
  assert.match(text, /^\| Starling \| 50\.0 % \| 1\.00 \/ 1\.10 \| 0\.70 \/ 0\.70 \| 0 \|/m);
  assert.match(text, /^\| p2p-media-loader, as shipped \| – \| – \/ – \|/m);
  assert.match(text, /^- N\.$/m);
});
