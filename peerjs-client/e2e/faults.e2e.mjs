// Peers never make playback worse: no WebRTC, no tracker, and a lying peer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchChromium, openViewer } from './lib/chromium.mjs';
import { again, describe, measure, noStalls, settled, untilPlaying } from './lib/measure.mjs';
import { liar, withoutWebRtc } from './lib/probe.mjs';
import { delay } from './lib/process.mjs';
import { withBroadcast } from './lib/broadcast.mjs';
import { MediaRecord } from './lib/media-record.mjs';

test('a viewer without WebRTC plays from the edge alone', { timeout: 120_000 }, (t) =>
  withBroadcast(async ({ watchUrl }) => {
    const browser = await launchChromium();
    t.after(() => browser.close());
    const viewers = [
      await openViewer(browser, watchUrl, { name: 'no webrtc', scripts: [withoutWebRtc] }),
      await openViewer(browser, watchUrl, { name: 'usual' }),
    ];
    await untilPlaying(viewers);
    await settled(t, viewers, 12, (result) => {
      noStalls(result);
      assert.equal(result.rows[0].dataChannel, 0);
      assert.ok(result.p95 <= 2500, `latency p95 ${result.p95} ms`);
    });
  }));

test('a tracker killed in mid-play stops no playback and no sharing', { timeout: 240_000 }, (t) =>
  withBroadcast({ rolesApart: true }, async ({ watchUrl, server }) => {
    const browser = await launchChromium();
    t.after(() => browser.close());
    const viewers = [];
    for (let i = 1; i <= 4; i++) viewers.push(await openViewer(browser, watchUrl, { name: `viewer ${i}` }));
    await untilPlaying(viewers);
    await delay(8000);
    let isAway = false;
    await again(t, async () => {
      if (isAway) {
        await server.startTracker();
        await delay(15_000);
      }
      isAway = true;
      await server.killTracker();
      const result = await measure(viewers, 15);
      t.diagnostic(`without the tracker\n${describe(result)}`);
      noStalls(result);
      assert.ok(result.share > 0.5, `sharing goes on without the tracker: ${result.share}`);
    });
    const late = await openViewer(browser, watchUrl, { name: 'late' });
    await untilPlaying([late]);
    await settled(t, [late], 5, noStalls); // it plays without a tracker

    await server.startTracker();
    await delay(10_000);
    await settled(t, [...viewers, late], 5, noStalls);
  }));

test('a peer that sends altered chunks is banned and harms nobody', { timeout: 180_000 }, (t) =>
  withBroadcast(async ({ watchUrl, streamUrl, server }) => {
    const record = new MediaRecord(streamUrl);
    const browser = await launchChromium();
    t.after(async () => {
      await record.stop();
      await browser.close();
    });
    await record.start();
    const keep = 'addEventListener("DOMContentLoaded", () => { window.probe.keepAppended = true; });';
    // The liar comes first, so that it is a root and has children to lie to.
    const bad = await openViewer(browser, watchUrl, { name: 'liar', scripts: [liar] });
    await untilPlaying([bad]);
    const viewers = [];
    for (let i = 1; i <= 4; i++) viewers.push(await openViewer(browser, watchUrl, { name: `viewer ${i}`, scripts: [keep] }));
    await untilPlaying(viewers);
    await settled(t, viewers, 20, noStalls);
    const lies = await bad.evaluate(() => window.lies);
    assert.ok(lies > 0, 'the liar had somebody to lie to');

    const decoded = await Promise.all(viewers.map((viewer) => viewer.evaluate(() => window.probe.takeAppended())));
    await delay(3000); // the record polls: it sees a part after the viewers do
    await record.stop();
    let checked = 0;
    for (const [i, hashes] of decoded.entries()) {
      const foreign = hashes.filter((hash) => !record.has(hash));
      assert.equal(foreign.length, 0, `${viewers[i].name} decoded ${foreign.length} of ${hashes.length} pieces that the edge never served`);
      checked += hashes.length;
    }
    assert.ok(checked > 100, `${checked} pieces of media were checked`);
    const [stats] = await server.streams();
    assert.ok(stats.banned >= 1, `the liar is banned: ${JSON.stringify(stats)}`);
    const liesLater = await bad.evaluate(() => window.lies);
    await delay(5000);
    assert.equal(await bad.evaluate(() => window.lies), liesLater, 'nobody listens to the liar any more');
  }));
