// Whether a page that stays keeps anything of neighbours that come and go, in
// real Chromium: connections closed, objects collected, heap as before.
//
//   node bench/client/joins.mjs [--joins 100] [--out DIR]
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBroadcast } from '../../peerjs-client/e2e/lib/broadcast.mjs';
import { launchChromium } from '../../peerjs-client/e2e/lib/chromium.mjs';
import { openPassingViewers } from '../../peerjs-client/e2e/lib/passing-viewer.mjs';
import { delay } from '../../peerjs-client/e2e/lib/process.mjs';
import { heap, openPlain } from './lib/viewer.mjs';

const { values: o } = parseArgs({ options: { joins: { type: 'string', default: '100' }, out: { type: 'string', default: 'receipts' } } });
const joins = Number(o.joins);
/** The page's own windows of parts are full after that, and a lost neighbour is forgotten. */
const settleMs = 30_000;
/** Joins before the first count: what is loaded or compiled once is no leak. Then it is counted after each third of the rest. */
const first = Math.min(10, joins);
const isCounted = (n) => n === first || (n > first && Math.floor(((n - first) * 3) / (joins - first)) > Math.floor(((n - 1 - first) * 3) / (joins - first)));

const broadcast = await startBroadcast();
const browser = await launchChromium();
const counts = [];
let met = 0;
try {
  const keeper = await openPlain(browser, broadcast.watchUrl, 'keeper');
  const passing = await openPassingViewers(browser, { http: broadcast.server.http, streamUrl: broadcast.streamUrl, stream: broadcast.stream });
  for (let n = 1; n <= joins; n++) {
    if (await passing.visit({ abruptly: n % 3 === 0 })) met++;
    if (!isCounted(n) && n < joins) continue;
    await delay(settleMs);
    const held = await heap(keeper);
    counts.push({ joins: n, ...held });
    console.log(`${n} joins, ${met} connected: heap ${(held.used / 1e6).toFixed(2)} MB, buffers ${(held.buffers / 1e6).toFixed(2)} MB, connections held: ${held.connections.join(' ') || 'none'}`);
  }
} finally {
  await browser.close();
  await broadcast.stop();
}

const [before, after] = [counts.at(0), counts.at(-1)];
const figures = {
  joins: met, connectionsLeft: after.connections.filter((state) => state !== 'closed').length, heap: after.used / 1e6, heapBuffers: after.buffers / 1e6,
  heapAfterJoins: (after.used + after.buffers - before.used - before.buffers) / 1e6,
};
const receipt = {
  schema: 1, kind: 'cost', title: `${joins} joins and leaves of neighbours`, time: new Date().toISOString(),
  machine: { os: `${process.platform}/${process.arch}`, cpu: cpus()[0]?.model ?? '', cores: cpus().length, software: { Node: process.versions.node } },
  command: `node bench/client/joins.mjs --joins ${joins}`, viewers: 2, partMs: 333,
  notes: ['Two in three neighbours say goodbye; the third takes its connection away. Heaps are counted after a collection, 30 s after the last join.'],
  results: [{ name: 'viewer that stays', role: 'swarm', figures }],
  curves: [{
    title: 'Heap by joins', x: { title: 'Joins and leaves' }, y: { title: 'Held after a collection', unit: 'MB' },
    lines: [['JavaScript heap', 'used'], ['Array buffers', 'buffers']].map(([name, key]) => ({ name, points: counts.map((c) => ({ x: c.joins, y: c[key] / 1e6 })) })),
  }],
};
await mkdir(o.out, { recursive: true });
const path = join(o.out, `joins-${joins}-${receipt.time.replace(/[-:]/g, '')}.json`);
await writeFile(path, `${JSON.stringify(receipt, null, 1)}\n`);
console.log(path);
