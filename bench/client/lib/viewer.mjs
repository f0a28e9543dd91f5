// A viewer's page without any measuring script in it, so that what the main
// thread does is the player's work alone.
import { until } from '../../../peerjs-client/e2e/lib/process.mjs';
import { ownerFinder } from './main-thread.mjs';

const video = () => document.querySelector('starling-player')?.shadowRoot?.querySelector('video') ?? document.querySelector('video');

/** Opens a page in a context of its own and waits until it plays. */
export async function openPlain(browser, url, name) {
  const context = await browser.newContext({ viewport: { width: 960, height: 640 }, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  const maps = new Map();
  session.on('Debugger.scriptParsed', ({ url: script, sourceMapURL }) => {
    if (sourceMapURL !== '' && script.startsWith('http')) maps.set(script, new URL(sourceMapURL, script).href);
  });
  await session.send('Debugger.enable');
  await page.goto(url);
  const playing = `(${video})()?.currentTime > 1`;
  await until(`${name} to play`, () => page.evaluate(playing), 45_000);
  // Breakpoints are not used, and the debugger costs the page time.
  await session.send('Debugger.disable');
  return {
    name,
    page,
    session,
    close: () => context.close(),
    /** Finds whose a function is, by the source maps of the page's scripts. */
    async owners() {
      const texts = await Promise.all([...maps].map(async ([script, map]) => [script, await (await fetch(map)).text()]));
      return ownerFinder(new Map(texts));
    },
    /** The player's own counters. */
    stats: () => page.evaluate(() => window.starling?.stats()),
  };
}

/**
 * Profiles the page's main thread for a while: the V8 profile, and by the browser's own count the seconds of CPU that the
 * thread's tasks took. Those do not hold the time in which another program had the processor, which samples do.
 */
export async function profile({ session }, seconds, everyMicroseconds = 500) {
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const read = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  };
  await session.send('Profiler.enable');
  await session.send('Profiler.setSamplingInterval', { interval: everyMicroseconds });
  const before = await read();
  const began = performance.now();
  await session.send('Profiler.start');
  await new Promise((done) => setTimeout(done, seconds * 1000));
  const { profile: samples } = await session.send('Profiler.stop');
  const elapsed = (performance.now() - began) / 1000;
  const after = await read();
  await session.send('Profiler.disable');
  return { samples, elapsed, tasks: after.TaskDuration - before.TaskDuration, scripts: after.ScriptDuration - before.ScriptDuration };
}

/** What the page's heap holds after a collection, in bytes, and the states of the connections in it. */
export async function heap({ session }) {
  await session.send('HeapProfiler.enable');
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize, backingStorageSize, embedderHeapUsedSize } = await session.send('Runtime.getHeapUsage');
  return { used: usedSize, buffers: backingStorageSize ?? 0, dom: embedderHeapUsedSize ?? 0, connections: await connectionsHeld(session) };
}

/** The peer connections that the page's heap still holds after a collection, by their state. */
export async function connectionsHeld(session) {
  const { result } = await session.send('Runtime.evaluate', { expression: 'globalThis.RTCPeerConnection?.prototype', objectGroup: 'held' });
  if (result.objectId === undefined) return [];
  const { objects } = await session.send('Runtime.queryObjects', { prototypeObjectId: result.objectId, objectGroup: 'held' });
  const states = 'function () { return this.map((connection) => connection.connectionState); }';
  const { result: list } = await session.send('Runtime.callFunctionOn', { objectId: objects.objectId, functionDeclaration: states, returnByValue: true });
  await session.send('Runtime.releaseObjectGroup', { objectGroup: 'held' });
  return list.value;
}
