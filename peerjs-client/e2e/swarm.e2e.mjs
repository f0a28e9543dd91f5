// Six viewers share a live broadcast: what peers carry, how far behind the
// camera it plays, and that leaving viewers disturb nobody.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchChromium, openViewer } from './lib/chromium.mjs';
import { launchFirefox, openFirefoxViewer } from './lib/firefox.mjs';
import { noStalls, settled, untilPlaying } from './lib/measure.mjs';
import { startPeer } from './lib/go-peer.mjs';
import { withBroadcast } from './lib/broadcast.mjs';

test('six Chromium viewers take at least 70 % of media bytes from each other, two seconds behind the camera', { timeout: 200_000 }, (t) =>
  withBroadcast(async ({ watchUrl }) => {
    const browser = await launchChromium();
    t.after(() => browser.close());
    const viewers = [];
    for (let i = 1; i <= 6; i++) viewers.push(await openViewer(browser, watchUrl, { name: `viewer ${i}` }));
    await untilPlaying(viewers);
    await settled(t, viewers, 20, (result) => {
      noStalls(result);
      assert.ok(result.share >= 0.7, `at least 70 % from peers: ${result.share}`);
      assert.ok(result.p50 <= 1800, `latency p50 ${result.p50} ms`);
      assert.ok(result.p95 <= 2500, `latency p95 ${result.p95} ms`);
      const requests = result.rows.reduce((sum, row) => sum + row.requests, 0) / viewers.length / result.seconds;
      assert.ok(requests <= 0.3, `requests a viewer and second: ${requests}`);
    });

    await Promise.all(viewers.slice(0, 2).map((viewer) => viewer.close()));
    await settled(t, viewers.slice(2), 10, (rest) => {
      noStalls(rest);
      assert.ok(rest.dataChannel > 0, 'the four that stay go on sharing');
    });
  }));

test('a Firefox viewer shares with five in Chromium', { timeout: 200_000 }, (t) =>
  withBroadcast(async ({ watchUrl }) => {
    const [browser, firefox] = await Promise.all([launchChromium(), launchFirefox()]);
    t.after(() => Promise.all([browser.close(), firefox.close()]));
    const viewers = [await openFirefoxViewer(firefox, watchUrl, { name: 'firefox' })];
    for (let i = 1; i <= 5; i++) viewers.push(await openViewer(browser, watchUrl, { name: `viewer ${i}` }));
    await untilPlaying(viewers, 45_000);
    await settled(t, viewers, 20, (result) => {
      noStalls(result);
      assert.ok(result.rows[0].dataChannel > 0, 'Firefox gets media from peers');
      assert.ok(result.p50 <= 1800 && result.p95 <= 2500, `latency p50 ${result.p50} ms, p95 ${result.p95} ms`);
      assert.ok(result.share >= 0.7, `at least 70 % from peers: ${result.share}`);
    });
  }));

test('headless Go peers and browsers share one swarm', { timeout: 150_000 }, (t) =>
  withBroadcast(async ({ watchUrl, server, stream }) => {
    const browser = await launchChromium();
    const peers = [1, 2].map((n) => startPeer(`go peer ${n}`, `${server.http}/watch/${stream}`));
    t.after(async () => {
      await browser.close();
      await Promise.all(peers.map((peer) => peer.stop()));
    });
    const viewers = [];
    for (let i = 1; i <= 2; i++) viewers.push(await openViewer(browser, watchUrl, { name: `viewer ${i}` }));
    await untilPlaying(viewers);
    let before = peers.map((peer) => peer.latest());
    await settled(t, viewers, 12, (result) => {
      const since = before;
      before = peers.map((peer) => peer.latest());
      noStalls(result);
      assert.ok(result.share > 0.5, `the browsers take most from peers: ${result.share}`);
      for (const [i, peer] of peers.entries()) {
        const [from, to] = [since[i], before[i]];
        t.diagnostic(`${peer.name}: from peers ${to.peerBytes - from.peerBytes}, from the feed ${to.feedBytes - from.feedBytes}, sent ${to.sentBytes - from.sentBytes} bytes; stalls ${to.stalls - from.stalls}`);
        assert.ok(to.peerBytes > from.peerBytes && to.sentBytes > from.sentBytes, `${peer.name} takes and gives`);
        assert.equal(to.stalls, from.stalls, `${peer.name} does not stall`);
      }
    });
  }));
