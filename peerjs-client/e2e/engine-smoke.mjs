// The swarm engine in real Chromium, without a player: three viewers, each in a
// context of its own, share two tracks over real data channels. Then one of
// them begins to send altered chunks, and one vanishes. Every part of every
// viewer must be right and in time, throughout.
//
//   node e2e/engine-smoke.mjs
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { startMiniEdge } from './lib/mini-edge.mjs';

const tracks = [
  { number: 1, name: 'v', kind: 'video', bitrate: 1_500_000, slices: 3 },
  { number: 2, name: 'a', kind: 'audio', bitrate: 128_000, slices: 1 },
];
const flags = [
  '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows', '--disable-features=WebRtcHideLocalIpsWithMdns',
];

/** Slice s has viewer s as its root; the others are its children, one the other's backup. */
function assign(ids) {
  if (ids.length < 3) return {};
  return Object.fromEntries(ids.map((id) => {
    const others = ids.filter((other) => other !== id);
    const sources = (slices, shift) => Array.from({ length: slices }, (_, slice) => {
      const root = ids[(slice + shift) % ids.length];
      if (root === id) return { slice, parent: 'edge', backup: 'edge' };
      const [other] = others.filter((o) => o !== root);
      // Two children must not both fall back on each other.
      return { slice, parent: root, backup: id < other ? other : 'edge' };
    });
    return [id, { tracks: [{ name: 'v', slices: sources(3, 0) }, { name: 'a', slices: sources(1, 1) }], children: others, peers: others }];
  }));
}

/** Runs in the page: a player in miniature that asks for each part a little after it was published. */
function play({ firstMsn, startPart, originTime }) {
  const parts = [];
  const state = { parts, late: 0, http: 0, events: [] };
  globalThis.smoke = state;
  globalThis.engine = new globalThis.Starling.SwarmEngine({ baseUrl: '/live/demo/', stream: 'live/demo' });
  engine.on('peer', (e) => state.events.push(`${e.id} ${e.state} ${e.why}`));
  engine.on('ban', (e) => state.events.push(`ban ${e.id}`));
  engine.on('log', (e) => state.events.push(`log ${e.message}`));
  engine.start();
  engine.setTracks(['v', 'a']);
  engine.setBuffer(1);
  const hex = (b) => Array.from(new Uint8Array(b), (x) => x.toString(16).padStart(2, '0')).join('');
  const one = async (n, name) => {
    const id = { msn: firstMsn + Math.floor(n / 6), index: n % 6 };
    const deadline = performance.now() + 900;
    const result = await engine.loadPart(name, id, { deadline });
    let data = result?.data;
    if (data === undefined) {
      state.http++;
      const response = await fetch(`/live/demo/${name}/${id.msn}.${id.index}.m4s`);
      if (!response.ok) return void state.events.push(`${name} ${id.msn}.${id.index}: ${response.status}`);
      data = new Uint8Array(await response.arrayBuffer());
      engine.provide(name, id, data);
    }
    if (performance.now() > deadline) state.late++;
    parts.push({ key: `${name}/${id.msn}.${id.index}.m4s`, hash: hex(await crypto.subtle.digest('SHA-256', data)), source: result?.source ?? 'http' });
  };
  (async () => {
    for (let n = startPart; ; n++) {
      const due = originTime + (n + 1) * 333 + 40;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - Date.now())));
      void one(n, 'v');
      void one(n, 'a');
    }
  })();
}

/** Runs in the page: alters a byte of every chunk that is sent from now on. */
function poison() {
  const send = RTCDataChannel.prototype.send;
  RTCDataChannel.prototype.send = function (data) {
    const copy = new Uint8Array(data);
    if (copy[0] === 5) copy[copy.length - 1] ^= 1;
    return send.call(this, copy);
  };
}

async function main() {
  const bundle = await build({
    stdin: { contents: 'export * from "./src/swarm/engine.ts"', resolveDir: new URL('..', import.meta.url).pathname }, bundle: true, write: false,
    format: 'iife', globalName: 'Starling', target: 'es2022', logLevel: 'error',
  });
  const edge = await startMiniEdge({
    tracks, assign,
    files: {
      '/': { type: 'text/html', body: '<!doctype html><title>smoke</title><script src="/engine.js"></script>' },
      '/engine.js': { type: 'text/javascript', body: bundle.outputFiles[0].text },
    },
  });
  const originTime = edge.startedAt;
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: flags });
  try {
    const viewers = [];
    for (let i = 0; i < 3; i++) {
      const page = await (await browser.newContext()).newPage();
      const errors = [];
      page.on('pageerror', (error) => errors.push(error.message));
      const session = await page.context().newCDPSession(page);
      await session.send('Performance.enable');
      await page.goto(edge.url);
      viewers.push({ page, errors, session });
    }
    for (const v of viewers) {
      const startPart = edge.made;
      v.startPart = startPart;
      await v.page.evaluate(play, { firstMsn: edge.firstMsn, startPart, originTime });
      // One after the other, so that the ids follow the pages.
      await v.page.waitForFunction(() => engine.stats().viewerId !== undefined);
    }
    const stats = (v) => v.page.evaluate(() => ({ ...engine.stats(), smoke: { ...smoke } }));
    const until = async (what, ms, check) => {
      const end = Date.now() + ms;
      while (!(await check())) {
        if (Date.now() > end) {
          for (const v of viewers) console.error(JSON.stringify(await stats(v).catch(() => 'gone'), null, 1).slice(0, 6000));
          throw new Error(`not within ${ms} ms: ${what}`);
        }
        await delay(100);
      }
    };
    const checkBytes = async (v) => {
      const { parts } = await v.page.evaluate(() => smoke);
      for (const p of parts) assert.equal(p.hash, edge.parts.get(p.key)?.hash, `${p.key} from ${p.source} is altered`);
      return parts;
    };

    // 1. A swarm forms and carries two of three copies.
    await until('all neighbours are ready', 8_000, async () => (await Promise.all(viewers.map(stats)))
      .every((s) => s.neighbours.filter((n) => n.state === 'ready').length === 2));
    await delay(1_000);
    const before = await Promise.all(viewers.map(stats));
    const edgeBefore = edge.counts.http + edge.counts.feed;
    const scriptBefore = await Promise.all(viewers.map(scriptSeconds));
    await delay(6_000);
    const scriptShare = (await Promise.all(viewers.map(scriptSeconds))).map((s, i) => (100 * (s - scriptBefore[i]) / 6).toFixed(1));
    const after = await Promise.all(viewers.map(stats));
    const edgeBytes = edge.counts.http + edge.counts.feed - edgeBefore;
    const peerBytes = after.reduce((sum, s, i) => sum + s.counters.peerBytes - before[i].counters.peerBytes, 0);
    const duplicates = after.reduce((sum, s, i) => sum + s.counters.duplicateBytes - before[i].counters.duplicateBytes, 0);
    const offload = peerBytes / (peerBytes + edgeBytes);
    console.log(`swarm of 3: offload ${(100 * offload).toFixed(1)} % (ideal 66.7), duplicates ${(100 * duplicates / (peerBytes + edgeBytes)).toFixed(2)} %,`
      + ` edge by feed ${edge.counts.feed}, by HTTP ${edge.counts.http}, first peer byte ${after.map((s) => Math.round(s.firstPeerByteMs))} ms, script ${scriptShare} % of a main thread,`
      + ` connected in ${after.flatMap((s) => s.neighbours.map((n) => Math.round(n.connectMs)))} ms`);
    if (process.env.SMOKE_DEBUG) for (const s of after) console.log(JSON.stringify({ ...s, smoke: { n: s.smoke.parts.length, late: s.smoke.late, http: s.smoke.http, events: s.smoke.events } }));
    assert.ok(offload > 0.55, `offload ${offload}`);
    assert.ok(duplicates / (peerBytes + edgeBytes) < 0.03, 'duplicates under 3 %, with what was left of joining');
    const claimed = after.reduce((sum, s) => sum + s.counters.feedBytes + s.counters.httpBytes, 0);
    // Within one part, which may have been under way.
    const sent = edge.counts.http + edge.counts.feed;
    assert.ok(Math.abs(claimed - sent) / sent < 0.06, `viewers claim ${claimed} edge bytes, the edge sent ${sent}`);

    // 2. The third viewer poisons: it is banned, reported, and no altered byte gets through.
    await viewers[2].page.evaluate(poison);
    await until('both others ban the poisoner', 4_000, async () => (await Promise.all(viewers.slice(0, 2).map(stats))).every((s) => s.banned.includes('viewer-3')));
    const reports = edge.messages.filter((m) => m.type === 'report' && m.peer === 'viewer-3');
    assert.equal(new Set(reports.map((m) => m.from)).size, 2, 'both report it to the tracker');
    await delay(2_000);
    for (const v of viewers.slice(0, 2)) await checkBytes(v);
    const [first, second] = await Promise.all(viewers.slice(0, 2).map(stats));
    assert.ok(first.counters.rejectedBytes > 0 && second.counters.rejectedBytes > 0);
    assert.equal(first.smoke.late + second.smoke.late, 0, 'no part was late');

    // 3. The second viewer vanishes without a word: the first goes on.
    await viewers[1].page.close({ runBeforeUnload: false });
    await delay(3_000);
    const last = await stats(viewers[0]);
    const parts = await checkBytes(viewers[0]);
    assert.equal(last.smoke.late, 0, 'no part was late after the parent vanished');
    const expected = (edge.made - viewers[0].startPart) * 2;
    assert.ok(parts.length > expected * 0.85, `${parts.length} parts of about ${expected}`);
    const beacons = edge.messages.filter((m) => m.type === 'beacon' && m.from === 'viewer-1');
    assert.ok(beacons.length >= 5 && beacons.at(-1).peerBytes > 0);
    assert.ok(last.heldBytes < 12 * 2_000_000 / 8 * 1.5, `memory is bounded: ${last.heldBytes}`);

    // 4. Everything closes.
    await viewers[0].page.evaluate(() => engine.close());
    await until('leave', 1_000, async () => edge.messages.some((m) => m.type === 'leave' && m.from === 'viewer-1'));
    for (const v of viewers) assert.deepEqual(v.errors, [], 'no uncaught error in a page');
    console.log(`viewer 1: ${parts.length} parts right and in time; sources ${describe(parts)}; switches ${last.repairs.switches}`);
    console.log('ok');
  } finally {
    await browser.close();
    await edge.close();
  }
}

/** Seconds of script that the page has run, the little player of this test included. */
async function scriptSeconds({ session }) {
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find((m) => m.name === 'ScriptDuration').value;
}

function describe(parts) {
  const counts = {};
  for (const p of parts) counts[p.source] = (counts[p.source] ?? 0) + 1;
  return JSON.stringify(counts);
}

await main();
