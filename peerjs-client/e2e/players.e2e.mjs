// Players that know nothing of Starling: hls.js as it comes, over HTTP/2 with
// TLS and from another site, and a publisher that crashes and returns.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { withBroadcast } from './lib/broadcast.mjs';
import { launchChromium, openViewer } from './lib/chromium.mjs';
import { noStalls, settled, untilPlaying } from './lib/measure.mjs';
import { delay, until } from './lib/process.mjs';
import { otherSite } from './lib/site.mjs';

/** A page with hls.js in low-latency mode and a video element. */
async function plainSite(source) {
  const library = await readFile(new URL('../node_modules/hls.js/dist/hls.min.js', import.meta.url));
  const page = `<!doctype html><video muted autoplay></video><script src="/hls.js"></script><script>
    const hls = new Hls({ lowLatencyMode: true });
    hls.loadSource(${JSON.stringify(source)});
    hls.attachMedia(document.querySelector('video'));
    window.hls = hls;
  </script>`;
  return otherSite({ '/': ['text/html', page], '/hls.js': ['text/javascript', library] });
}

test('hls.js as it comes plays from another site over HTTP/2', { timeout: 120_000 }, (t) =>
  withBroadcast(async ({ server, stream }) => {
    const site = await plainSite(`${server.https}/${stream}/index.m3u8`);
    const browser = await launchChromium();
    t.after(async () => {
      await browser.close();
      await site.close();
    });
    const viewer = await openViewer(browser, site.url, { name: 'hls.js' });
    await untilPlaying([viewer]);
    await settled(t, [viewer], 12, (result) => {
      noStalls(result);
      assert.ok(result.p95 <= 2500, `latency p95 ${result.p95} ms`);
    });
    const seen = await viewer.evaluate(() => ({
      protocols: [...new Set(performance.getEntriesByType('resource').filter((entry) => entry.name.includes('.m4s')).map((entry) => entry.nextHopProtocol))],
      parts: performance.getEntriesByType('resource').filter((entry) => /\/\d+\.\d+\.m4s/.test(entry.name)).length,
    }));
    assert.deepEqual(seen.protocols, ['h2']);
    assert.ok(seen.parts > 10, `it loaded ${seen.parts} parts`);
  }));

test('viewers carry on when the publisher crashes and returns', { timeout: 150_000 }, (t) =>
  withBroadcast(async ({ watchUrl, streamUrl, publisher, republish }) => {
    const browser = await launchChromium();
    t.after(() => browser.close());
    const viewers = [];
    for (let i = 1; i <= 3; i++) viewers.push(await openViewer(browser, watchUrl, { name: `viewer ${i}` }));
    await untilPlaying(viewers);
    await delay(5000);
    await publisher().crash();
    await delay(3000);
    republish();
    const mark = Date.now();
    await Promise.all(viewers.map((viewer) =>
      until(`${viewer.name} to show the returned broadcast`, () => viewer.evaluate((since) => window.probe.latencies.some((sample) => sample.at - sample.ms > since), mark), 30_000)));
    const playlist = await (await fetch(`${streamUrl}/v360/index.m3u8`)).text();
    assert.match(playlist, /#EXT-X-DISCONTINUITY\n/);
    await settled(t, viewers, 10, (result) => {
      noStalls(result);
      assert.ok(result.p95 <= 2500, `latency p95 ${result.p95} ms`);
      assert.ok(result.share > 0.4, `the three share again: ${result.share}`);
    });
  }));

test('the embed snippets work on another site, and its viewers share', { timeout: 150_000 }, (t) =>
  withBroadcast(async ({ server, stream }) => {
    const element = `<!doctype html><script src="${server.http}/assets/starling-player.js"></script>
      <starling-player src="${server.http}/${stream}/index.m3u8" controls autoplay muted style="width:640px"></starling-player>`;
    const frame = `<!doctype html><iframe src="${server.http}/embed/${stream}?muted=1" allow="autoplay; fullscreen" width="640" height="360"></iframe>`;
    const site = await otherSite({ '/': ['text/html', element], '/frame': ['text/html', frame] });
    const browser = await launchChromium();
    t.after(async () => {
      await browser.close();
      await site.close();
    });
    const viewers = [await openViewer(browser, site.url, { name: 'element 1' }), await openViewer(browser, site.url, { name: 'element 2' })];
    await untilPlaying(viewers);
    await settled(t, viewers, 10, (result) => {
      noStalls(result);
      assert.ok(result.share > 0.4, `two viewers carry half for each other: ${result.share}`);
    });

    const framed = await openViewer(browser, `${site.url}frame`, { name: 'iframe' });
    const inner = await until('the frame to load', () => framed.page.frames().find((f) => f.url().includes('/embed/')));
    await until('the frame to play', () => inner.evaluate(() => window.probe?.started === true && window.probe.latencies.length > 5), 20_000);
  }));
