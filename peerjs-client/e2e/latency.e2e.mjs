// Glass to glass, measured by a clock in the picture: viewers that all start at
// once, with the usual parts and in the sub-second profile. The bounds leave room
// for a busy machine; docs/benchmarks.md has what is reached.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchChromium, openViewer } from './lib/chromium.mjs';
import { describe, measure, untilPlaying } from './lib/measure.mjs';
import { delay } from './lib/process.mjs';
import { withBroadcast } from './lib/broadcast.mjs';

/** Opens `n` viewers at once and measures them for 20 s, from 10 s after the last one shows a picture. */
async function together(t, n, watchUrl) {
  const browser = await launchChromium();
  t.after(() => browser.close());
  const viewers = await Promise.all(Array.from({ length: n }, (_, i) => openViewer(browser, watchUrl, { name: `viewer ${i + 1}` })));
  await untilPlaying(viewers, 45_000);
  await delay(10_000);
  const result = await measure(viewers, 20);
  t.diagnostic(`\n${describe(result)}`);
  assert.equal(result.stalls.length, 0, `no stall: ${JSON.stringify(result.stalls)}`);
  return result;
}

test('six viewers that start at once are a second and a half behind the camera', { timeout: 150_000 }, (t) =>
  withBroadcast(async ({ watchUrl }) => {
    const { p50, p95, share } = await together(t, 6, watchUrl);
    assert.ok(p50 <= 1500 && p95 <= 2000, `latency p50 ${p50} ms, p95 ${p95} ms`);
    assert.ok(share >= 0.75, `from peers: ${share}`);
  }));

test('with parts of a fifth of a second six viewers are about a second behind the camera', { timeout: 150_000 }, (t) =>
  withBroadcast({ settings: ['origin.part_duration=200ms'] }, async ({ watchUrl }) => {
    const { p95, share } = await together(t, 6, watchUrl);
    assert.ok(p95 <= 1300, `latency p95 ${p95} ms`);
    assert.ok(share >= 0.75, `from peers: ${share}`);
  }));
