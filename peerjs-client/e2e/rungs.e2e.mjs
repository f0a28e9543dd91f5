// Viewers on different rungs share what they have in common: the sound with
// all, the pictures with those on the same rung; and a change of rung is no stall.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchChromium, openViewer } from './lib/chromium.mjs';
import { percent } from './lib/figures.mjs';
import { describe, measure, untilPlaying } from './lib/measure.mjs';
import { delay } from './lib/process.mjs';
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

test('six viewers on three rungs share within five points of the bound, and change rungs without a stall', { timeout: 180_000 }, (t) =>
  withBroadcast(async ({ watchUrl, streamUrl }) => {
    const browser = await launchChromium();
    t.after(() => browser.close());
    const bitrates = await bitratesOf(streamUrl);
    const rungs = Object.keys(bitrates).filter((name) => name.startsWith('v'));
    assert.equal(rungs.length, 3, `a ladder of three: ${rungs}`);
    const viewers = [];
    for (const rung of [...rungs, ...rungs]) viewers.push(await openViewer(browser, `${watchUrl}&level=${rung}`, { name: `${rung} ${viewers.length}` }));
    await untilPlaying(viewers);
    await delay(10_000);
    const mixed = await measure(viewers, 20);
    const most = bound(bitrates, Object.fromEntries(rungs.map((rung) => [rung, 2])));
    t.diagnostic(`bound ${percent(most)}\n${describe(mixed)}`);
    assert.equal(mixed.stalls.length, 0, JSON.stringify(mixed.stalls));
    for (const row of mixed.rows) assert.deepEqual(row.heights, [Number(row.name.match(/\d+/)[0])], `${row.name} stays on its rung`);
    assert.ok(mixed.share >= most - 0.05, `${percent(mixed.share)} of at most ${percent(most)}`);

    // All on the middle rung.
    const middle = rungs[1];
    const switched = await Promise.all([measure(viewers, 12), ...viewers.map((viewer) => viewer.evaluate((rung) => void (window.starling.player.level = rung), middle))]);
    t.diagnostic(`while all change to ${middle}\n${describe(switched[0])}`);
    assert.equal(switched[0].stalls.length, 0, `a change of rung stalls: ${JSON.stringify(switched[0].stalls)}`);
    const same = await measure(viewers, 10);
    t.diagnostic(`all on ${middle}\n${describe(same)}`);
    for (const row of same.rows) assert.deepEqual(row.heights, [Number(middle.slice(1))]);
    const onOne = bound(bitrates, { [middle]: 6 });
    assert.ok(same.share >= onOne - 0.08, `${percent(same.share)} of at most ${percent(onOne)}`);
  }));
