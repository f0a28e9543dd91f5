// What the client costs a page, in real Chromium: whose work fills the main
// thread, and what the heap holds over time.
//
//   node bench/client/cost.mjs [--seconds 30] [--viewers 3] [--minutes 3] [--rounds 1] [--out DIR]
//
// The main thread: one viewer of a swarm, one of the edge alone with our
// player, one of hls.js as it comes, each profiled with the others open, after
// 15 s of playback. Memory: that swarm viewer's heap every ten seconds, after a
// collection each time; --minutes 60 is the hour of the design's goal.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBroadcast } from '../../peerjs-client/e2e/lib/broadcast.mjs';
import { launchChromium } from '../../peerjs-client/e2e/lib/chromium.mjs';
import { otherSite } from '../../peerjs-client/e2e/lib/site.mjs';
import { delay } from '../../peerjs-client/e2e/lib/process.mjs';
import { attribute, slope, slowest } from './lib/main-thread.mjs';
import { heap, openPlain, profile } from './lib/viewer.mjs';

const { values: o } = parseArgs({ options: {
  seconds: { type: 'string', default: '30' }, viewers: { type: 'string', default: '3' }, minutes: { type: 'string', default: '3' },
  rounds: { type: 'string', default: '1' }, out: { type: 'string', default: 'receipts' },
} });
const [seconds, viewers, minutes, rounds] = [o.seconds, o.viewers, o.minutes, o.rounds].map(Number);
const megabytes = (bytes) => bytes / 1e6;
const warmUp = 15;

/** hls.js and a video element, as its documentation shows it. */
async function hlsPage(playlist) {
  const library = await readFile(new URL('../../peerjs-client/node_modules/hls.js/dist/hls.js', import.meta.url));
  const page = `<!doctype html><video muted autoplay></video><script src="/hls.js"></script><script>
    const hls = new Hls({ lowLatencyMode: true });
    hls.loadSource(${JSON.stringify(playlist)});
    hls.attachMedia(document.querySelector('video'));</script>`;
  const map = JSON.stringify({ version: 3, sources: ['/node_modules/hls.js/dist/hls.js'], names: [], mappings: 'AAAA' });
  return otherSite({ '/': ['text/html', page], '/hls.js': ['text/javascript', `${library}\n//# sourceMappingURL=/whole.map`], '/whole.map': ['application/json', map] });
}

/** Shares of the main thread of one viewer. */
async function mainThread(viewer, name, role, about) {
  const ownerOf = await viewer.owners();
  const { samples, elapsed, tasks } = await profile(viewer, seconds);
  const { idle, ...spent } = attribute(samples, ownerOf);
  const busy = Object.values(spent).reduce((sum, s) => sum + s, 0);
  // The profile says whose the work is, the browser's count of CPU how much of it there is.
  const share = (s) => ((s / busy) * tasks) / elapsed;
  const figures = {
    mainThread: share(spent.engine + spent.player), pageThread: tasks / elapsed, threadEngine: share(spent.engine), threadPlayer: share(spent.player),
    threadHls: share(spent['hls.js']), threadCollector: share(spent.collector), threadBrowser: share(spent.browser),
  };
  if (role === 'other') delete figures.mainThread;
  const stats = await viewer.stats().catch(() => undefined);
  if (stats?.offload !== undefined) figures.offload = stats.offload;
  const top = ['engine', 'player'].map((owner) => `${owner}: ${slowest(samples, ownerOf, owner, 8).map(([f, s]) => `${f} ${(100 * share(s)).toFixed(2)} %`).join(', ')}`);
  console.log(`${name}: ${Object.entries(figures).map(([key, value]) => `${key} ${(100 * value).toFixed(2)} %`).join(', ')}\n  ${top.join('\n  ')}`);
  return { name, role, about, figures };
}

/** The heap over `minutes`, every ten seconds. */
async function memory(viewer, result) {
  const samples = [];
  const began = performance.now();
  while (performance.now() - began < minutes * 60_000) {
    samples.push({ at: (performance.now() - began) / 1000, ...(await heap(viewer)) });
    await delay(Math.max(0, 10_000 - ((performance.now() - began) % 10_000)));
  }
  const series = (name, unit, read) => ({ name, unit, every: 10, values: samples.map(read) });
  result.series = [
    series('JavaScript heap after a collection', 'MB', (s) => megabytes(s.used)), series('Array buffers', 'MB', (s) => megabytes(s.buffers)),
    series('Peer connections held', '', (s) => s.connections.length),
  ];
  // The first half minute fills the windows of parts, so it is no growth.
  const settled = samples.filter((s) => s.at >= 30);
  const last = samples.at(-1);
  Object.assign(result.figures, {
    heap: megabytes(last.used), heapBuffers: megabytes(last.buffers),
    heapGrowth: slope(settled.map((s) => [s.at / 3600, megabytes(s.used + s.buffers)])),
  });
  for (const [key, value] of Object.entries(result.figures)) if (!Number.isFinite(value)) delete result.figures[key];
  console.log(`heap ${megabytes(samples[0].used).toFixed(2)} → ${megabytes(last.used).toFixed(2)} MB, buffers ${megabytes(samples[0].buffers).toFixed(2)} → ${megabytes(last.buffers).toFixed(2)} MB, ` +
    `growth ${result.figures.heapGrowth?.toFixed(2)} MB/h over ${minutes} min, ${last.connections.length} connections`);
}

const broadcast = await startBroadcast();
const browser = await launchChromium();
const site = await hlsPage(`${broadcast.streamUrl}/index.m3u8`);
const results = [];
try {
  const swarm = [];
  for (let i = 1; i <= viewers; i++) swarm.push(await openPlain(browser, broadcast.watchUrl, `viewer ${i}`));
  for (let round = 0; round < rounds; round++) {
    const suffix = rounds > 1 ? `, round ${round + 1}` : '';
    await delay(warmUp * 1000);
    results.push(await mainThread(swarm[0], `swarm${suffix}`, 'swarm', `one of ${viewers} viewers that share`));
    const alone = await openPlain(browser, `${broadcast.watchUrl}&p2p=off&feed=off`, 'edge only');
    await delay(warmUp * 1000);
    results.push(await mainThread(alone, `edge only${suffix}`, 'edge-only', 'our player with peers and feed off'));
    await alone.close();
    const plain = await openPlain(browser, site.url, 'hls.js');
    await delay(warmUp * 1000);
    results.push(await mainThread(plain, `hls.js${suffix}`, 'other', 'hls.js 1.7.4 with its defaults and low latency, part of its work in a worker'));
    await plain.close();
  }
  if (minutes > 0) await memory(swarm[0], results[0]);
} finally {
  await site.close();
  await browser.close();
  await broadcast.stop();
}

const receipt = {
  schema: 1, kind: 'cost', title: 'What the client costs a page', time: new Date().toISOString(),
  machine: { os: `${process.platform}/${process.arch}`, cpu: cpus()[0]?.model ?? '', cores: cpus().length, software: { Node: process.versions.node } },
  command: `node bench/client/cost.mjs --seconds ${seconds} --viewers ${viewers} --minutes ${minutes} --rounds ${rounds}`,
  viewers, seconds, warmupSeconds: warmUp, partMs: 333,
  notes: [
    'Shares are CPU time of the main thread by the time that passed. A sample of the profiler counts for the innermost function of a known source on its stack, so what the browser does inside a call counts for the caller.',
    'The profiler itself costs the page time, so shares are rather too high. What the browser does before and after a script runs is in threadBrowser, whoever caused it. hls.js transmuxes in a worker, which is another thread.',
  ],
  results,
};
await mkdir(o.out, { recursive: true });
const path = join(o.out, `cost-${viewers}-${receipt.time.replace(/[-:]/g, '')}.json`);
await writeFile(path, `${JSON.stringify(receipt, null, 1)}\n`);
console.log(path);
