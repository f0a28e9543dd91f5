// Neighbours that come and go leave nothing behind in a page that stays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchChromium, openViewer } from './lib/chromium.mjs';
import { untilPlaying } from './lib/measure.mjs';
import { openPassingViewers } from './lib/passing-viewer.mjs';
import { until } from './lib/process.mjs';
import { withBroadcast } from './lib/broadcast.mjs';

const joins = Number(process.env.STARLING_JOINS ?? 12);

/** Counts connections as the page makes them; those that are not closed are open. */
const countConnections = `{
  const Native = window.RTCPeerConnection;
  const open = new Set();
  window.connections = { made: 0, open: () => open.size };
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      window.connections.made++;
      open.add(this);
    }
    close() {
      open.delete(this);
      super.close();
    }
  };
}`;

test(`${joins} neighbours that join and leave leave no connection behind`, { timeout: 60_000 + joins * 5_000 }, (t) =>
  withBroadcast(async ({ watchUrl, streamUrl, stream, server }) => {
    const browser = await launchChromium();
    t.after(() => browser.close());
    const keeper = await openViewer(browser, watchUrl, { name: 'keeper', scripts: [countConnections] });
    await untilPlaying([keeper]);
    const passing = await openPassingViewers(browser, { http: server.http, streamUrl, stream });
    let met = 0;
    for (let i = 0; i < joins; i++) if (await passing.visit({ abruptly: i % 3 === 2 })) met++;
    const made = await keeper.evaluate(() => window.connections.made);
    t.diagnostic(`${met} of ${joins} met the viewer that stayed, which made ${made} connections`);
    assert.ok(met >= 0.9 * joins, `${met} of ${joins} were connected`);
    assert.ok(made >= met, `${made} connections made`);
    await until('the last connection to be closed', () => keeper.evaluate(() => window.connections.open() === 0), 15_000);
    const neighbours = await keeper.evaluate(() => window.starling.stats().peers.length);
    assert.equal(neighbours, 0, 'no neighbour is listed any more');
    assert.deepEqual(passing.errors, []);
  }));
