// One run: so many viewers of one player on a broadcast, measured from outside.
import { launchChromium, openViewer } from '../../../peerjs-client/e2e/lib/chromium.mjs';
import { measure, untilPlaying } from '../../../peerjs-client/e2e/lib/measure.mjs';
import { delay, start, until } from '../../../peerjs-client/e2e/lib/process.mjs';
import { fileURLToPath } from 'node:url';
import { onCleanup } from './cleanup.mjs';
import { load, memoryOf, readMachine } from './machine.mjs';

async function startTracker() {
  const tracker = start('tracker', process.execPath, [fileURLToPath(new URL('./tracker-process.mjs', import.meta.url))]);
  const address = await until('the tracker of p2p-media-loader', () => /^ws:\S+/m.exec(tracker.output())?.[0]);
  return { address, stop: () => tracker.stop(2000) };
}

/** CPU seconds of the page's main thread and of its process, seconds in which script ran, and the heap in bytes. */
async function readPage(viewer) {
  const { metrics } = await viewer.session.send('Performance.getMetrics');
  const named = Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  return { at: performance.now(), thread: named.ThreadTime, process: named.ProcessTime, script: named.ScriptDuration, heap: named.JSHeapUsedSize };
}

/**
 * What the browser costs over `seconds` in which the probes stand still: reading the picture and asking connections for
 * their figures would weigh on players with many connections.
 */
async function measureCost(viewers, seconds) {
  // The browser would report each message of a WebSocket with its content.
  await ofAll(viewers, (viewer) => viewer.session.send('Network.disable'));
  await ofAll(viewers, (viewer) => viewer.evaluate(() => void (window.probe.paused = true)));
  const before = await ofAll(viewers, readPage);
  const machineBefore = readMachine();
  await delay(seconds * 1000);
  const undisturbed = load(machineBefore, readMachine());
  const pages = (await ofAll(viewers, readPage)).map((after, i) => {
    const elapsed = (after.at - before[i].at) / 1000;
    const share = (name) => (after[name] - before[i][name]) / elapsed;
    return { thread: share('thread'), process: share('process'), script: share('script'), heap: after.heap };
  });
  return { pages, undisturbed };
}

/** What players count themselves, for cross-checking, and what they complain of. Cumulative. */
const readOwnCounts = (viewer) => viewer.evaluate(() => ({
  p2pml: window.p2pml && { ...window.p2pml },
  ours: window.starling?.engine?.stats?.().counters,
  firstPeerByteMs: window.starling?.engine?.stats?.().firstPeerByteMs,
  errors: window.playerErrors ?? [],
}));

const readChannels = (viewer) => viewer.evaluate(() => window.probe.channelTotals());

const ofAll = (viewers, read) => Promise.all(viewers.map(read));

/**
 * Runs `player` with so many `viewers` on `broadcast` ({streamUrl, pages}): `warmup` seconds after all play,
 * measures for `seconds`, then what it costs for `cost` seconds. A player that does not play gives {error}.
 */
export async function run({ player, viewers: count, warmup, seconds, cost, broadcast }) {
  const undo = [];
  const undoing = (step) => undo.unshift(onCleanup(step));
  try {
    const tracker = player.needsTracker ? await startTracker() : undefined;
    if (tracker !== undefined) undoing(() => tracker.stop());
    // Signals are ours to handle: playwright would end the process before the rest is taken down.
    const browser = await launchChromium({ handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false });
    undoing(() => browser.close());
    const address = player.address({ ...broadcast, tracker: tracker?.address });
    const viewers = [];
    for (let i = 1; i <= count; i++) {
      const viewer = await openViewer(browser, address, { name: `viewer ${i}`, mediaChannel: player.mediaChannel });
      await viewer.session.send('Performance.enable');
      viewers.push(viewer);
    }
    await untilPlaying(viewers, 30_000 + 2000 * count);
    await delay(warmup * 1000);

    const [channelsBefore, ownBefore] = [await ofAll(viewers, readChannels), await ofAll(viewers, readOwnCounts)];
    const machineBefore = readMachine();
    const measured = await measure(viewers, seconds);
    const machine = load(machineBefore, readMachine());
    const [channelsAfter, own] = [await ofAll(viewers, readChannels), await ofAll(viewers, readOwnCounts)];
    const { pages, undisturbed } = await measureCost(viewers, cost);
    return {
      browserVersion: browser.version(),
      measured,
      machine,
      undisturbed,
      memory: memoryOf('chromium'),
      pages,
      channels: channelsAfter.map((after, i) => ({ received: after.received - channelsBefore[i].received, sent: after.sent - channelsBefore[i].sent, connected: after.connected })),
      own: own.map((after, i) => ({ before: ownBefore[i], after })),
      errors: viewers.flatMap((viewer, i) => [...viewer.errors, ...own[i].errors]),
    };
  } catch (error) {
    return { error: error.message };
  } finally {
    for (const step of undo) await step();
  }
}
