// Viewers on different rungs share what they have in common: the sound with
// all, the pictures with those on the same rung; and a change of rung is no stall.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchChromium, openViewer } from './lib/chromium.mjs';
import { percent } from './lib/figures.mjs';
import { describe, measure, noStalls, settled, untilPlaying } from './lib/measure.mjs';
import { until } from './lib/process.mjs';
import { withBroadcast } from './lib/broadcast.mjs';

/** The largest share that peers can carry when the edge sends each track once: of `bitrates` by track, `viewers` by rung. */
function bound(bitrates, viewers) {
  const all = Object.values(viewers).reduce((sum, n) => sum + n, 0);
  let bytes = 0;
  let once = 0;
  for (const [track, bitrate] of Object.entries(bitrates)) {
    const n = track.startsWith('a') ? all : (viewers[track] ?? 0);
    bytes += n * bitrate;
    once += Math.min(n, 1) * bitrate;
  }
  return (bytes - once) / bytes;
}

/** Bitrate of each track over the last parts, from its playlist. */
async function bitratesOf(streamUrl) {
  const { tracks } = await (await fetch(`${streamUrl}/catalog.json`)).json();
  return Object.fromEntries(tracks.map((track) => [track.name, track.bitrate]));
}

test('six viewers on three rungs share within five points of the bound, and change rungs without a stall', { timeout: 260_000 }, (t) =>
  withBroadcast(async ({ watchUrl, streamUrl }) => {
    const browser = await launchChromium();
    t.after(() => browser.close());
    const bitrates = await bitratesOf(streamUrl);
    const rungs = Object.keys(bitrates).filter((name) => name.startsWith('v'));
    assert.equal(rungs.length, 3, `a ladder of three: ${rungs}`);
    const viewers = [];
    for (const rung of [...rungs, ...rungs]) viewers.push(await openViewer(browser, `${watchUrl}&level=${rung}`, { name: `${rung} ${viewers.length}` }));
    await untilPlaying(viewers);
    const most = bound(bitrates, Object.fromEntries(rungs.map((rung) => [rung, 2])));
    t.diagnostic(`bound ${percent(most)}`);
    await settled(t, viewers, 20, (mixed) => {
      noStalls(mixed);
      for (const row of mixed.rows) assert.deepEqual(row.heights, [Number(row.name.match(/\d+/)[0])], `${row.name} stays on its rung`);
      assert.ok(mixed.share >= most - 0.05, `${percent(mixed.share)} of at most ${percent(most)}`);
    });

    // All to one rung at once, and to the next one where something else held a page up.
    const changes = [rungs[1], rungs[2], rungs[1]];
    const stalled = [];
    const rung = await until('a change of rung without a stall', async () => {
      const to = changes.shift();
      if (to === undefined) throw new Error(`every change stalls: ${JSON.stringify(stalled)}`);
      const [change] = await Promise.all([measure(viewers, 12), ...viewers.map((viewer) => viewer.evaluate((name) => void (window.starling.player.level = name), to))]);
      t.diagnostic(`while all change to ${to}\n${describe(change)}`);
      stalled.push(...change.stalls);
      return change.stalls.length === 0 && to;
    }, 45_000);
    const onOne = bound(bitrates, { [rung]: 6 });
    await settled(t, viewers, 10, (same) => {
      noStalls(same);
      for (const row of same.rows) assert.deepEqual(row.heights, [Number(rung.slice(1))]);
      assert.ok(same.share >= onOne - 0.08, `${percent(same.share)} of at most ${percent(onOne)}`);
    });
  }));
