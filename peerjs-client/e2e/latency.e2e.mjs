// Glass to glass, measured by a clock in the picture: viewers that all start at
// once, with the usual parts and in the sub-second profile. The bounds leave room
// for a busy machine; docs/benchmarks.md has what is reached.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchChromium, openViewer } from './lib/chromium.mjs';
import { noStalls, settled, untilPlaying } from './lib/measure.mjs';
import { withBroadcast } from './lib/broadcast.mjs';

/** Opens six viewers of the highest rung at once and waits until `check` holds of 20 s. */
async function together(t, watchUrl, check) {
  const browser = await launchChromium();
  t.after(() => browser.close());
  const viewers = await Promise.all([1, 2, 3, 4, 5, 6].map((i) => openViewer(browser, `${watchUrl}&level=v360`, { name: `viewer ${i}` })));
  await untilPlaying(viewers, 45_000);
  await settled(t, viewers, 20, (result) => {
    noStalls(result);
    assert.ok(result.share >= 0.75, `from peers: ${result.share}`);
    check(result);
  });
}

test('six viewers that start at once are a second and a half behind the camera', { timeout: 200_000 }, (t) =>
  withBroadcast(({ watchUrl }) => together(t, watchUrl, ({ p50, p95 }) =>
    assert.ok(p50 <= 1500 && p95 <= 2000, `latency p50 ${p50} ms, p95 ${p95} ms`))));

test('with parts of a fifth of a second six viewers are about a second behind the camera', { timeout: 200_000 }, (t) =>
  withBroadcast({ settings: ['origin.part_duration=200ms'] }, ({ watchUrl }) => together(t, watchUrl, ({ p95 }) =>
    assert.ok(p95 <= 1300, `latency p95 ${p95} ms`))));
