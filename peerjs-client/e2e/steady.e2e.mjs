// In steady state a viewer of a swarm asks the edge for nothing: it writes its
// playlists from pushed headers. Without the swarm it asks as any player does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchChromium, openViewer } from './lib/chromium.mjs';
import { again, describe, measure, noStalls, settled, untilPlaying } from './lib/measure.mjs';
import { delay } from './lib/process.mjs';
import { withBroadcast } from './lib/broadcast.mjs';

const requestRates = (result) => result.rows.map((row) => row.requests / result.seconds);

test('viewers of a swarm make at most three requests in ten seconds, those without it a dozen a second', { timeout: 200_000 }, (t) =>
  withBroadcast(async ({ watchUrl }) => {
    const browser = await launchChromium();
    t.after(() => browser.close());
    const open = (name, query = '') => openViewer(browser, watchUrl + query, { name });
    const viewers = await Promise.all([open('viewer 1'), open('viewer 2'), open('viewer 3')]);
    await untilPlaying(viewers);
    await settled(t, viewers, 20, (shared) => {
      noStalls(shared);
      for (const rate of requestRates(shared)) assert.ok(rate <= 0.3, `requests a second: ${requestRates(shared)}`);
    });

    // Alone with the feed: the edge pushes headers too.
    await Promise.all(viewers.map((viewer) => viewer.close()));
    const fed = [await open('feed only', '&p2p=off')];
    const plain = [await open('http only', '&p2p=off&feed=off')];
    await untilPlaying([...fed, ...plain]);
    await delay(6000);
    await again(t, async () => {
      const [byFeed, byHttp] = await Promise.all([measure(fed, 10), measure(plain, 10)]);
      t.diagnostic(`alone\n${describe(byFeed)}\n${describe(byHttp)}`);
      assert.ok(requestRates(byFeed)[0] <= 0.5, `by the feed: ${requestRates(byFeed)}`);
      assert.ok(requestRates(byHttp)[0] >= 6, `by HTTP: ${requestRates(byHttp)}`);
    });
  }));
