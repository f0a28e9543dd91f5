// Measures a group of viewers over a while, by the test's own probes only.
import assert from 'node:assert/strict';
import { delay, until } from './process.mjs';
import { ms, percent, quantile } from './figures.mjs';

/** Waits until every viewer shows moving pictures with a readable clock. */
export async function untilPlaying(viewers, timeoutMs = 30000) {
  await Promise.all(viewers.map((viewer) =>
    until(`${viewer.name} to play`, () => viewer.evaluate(() => window.probe.started === true && window.probe.latencies.length > 0), timeoutMs)
      .catch(async (error) => {
        const state = await viewer.evaluate(() => {
          const video = document.querySelector('starling-player')?.shadowRoot?.querySelector('video') ?? document.querySelector('video');
          return video && { currentTime: video.currentTime, readyState: video.readyState, paused: video.paused, error: video.error?.message };
        }).catch((problem) => problem.message);
        throw new Error(`${error.message}; video ${JSON.stringify(state)}; page errors: ${viewer.errors.slice(-5).join(' | ')}`);
      })));
}

const readProbe = () =>
  window.probe.dataChannelBytes().then((bytes) => ({ dataChannel: bytes, edge: { ...window.probe.edge }, latencies: window.probe.latencies.length, stalls: window.probe.stalls.length }));

/** Bytes from the edge so far, by the browser's network events where it has them. */
const edgeBytes = (viewer, probed) => ({ ...(viewer.network ?? probed.edge) });

/** Playback and bytes of each viewer over `seconds`, and of all together. */
export async function measure(viewers, seconds) {
  const since = Date.now();
  const before = await Promise.all(viewers.map(async (viewer) => {
    const probed = await viewer.evaluate(readProbe);
    return { ...probed, network: edgeBytes(viewer, probed) };
  }));
  await delay(seconds * 1000);
  const rows = await Promise.all(viewers.map(async (viewer, i) => {
    const start = before[i];
    const after = await viewer.evaluate(readProbe);
    const network = edgeBytes(viewer, after);
    const played = await viewer.evaluate(([latencies, stalls, since]) => ({
      latencies: window.probe.latencies.slice(latencies),
      stalls: window.probe.stalls.slice(stalls),
      // Also of a stall that began before.
      stallMs: window.probe.stalls.reduce((sum, stall) => sum + Math.max(0, stall.from + stall.ms - Math.max(stall.from, since)), 0),
      startedAfterMs: window.probe.startedAfterMs,
    }), [start.latencies, start.stalls, since]);
    return {
      name: viewer.name,
      dataChannel: after.dataChannel - start.dataChannel,
      http: network.http - start.network.http,
      feed: network.feed - start.network.feed,
      requests: network.requests - start.network.requests,
      latencies: played.latencies.map((sample) => sample.ms),
      heights: [...new Set(played.latencies.map((sample) => sample.height))],
      stalls: played.stalls,
      stallMs: played.stallMs,
      startedAfterMs: played.startedAfterMs,
    };
  }));
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  const latencies = rows.flatMap((row) => row.latencies);
  const [dataChannel, http, feed] = [sum('dataChannel'), sum('http'), sum('feed')];
  return {
    rows,
    seconds,
    dataChannel,
    http,
    feed,
    share: dataChannel / (dataChannel + http + feed),
    p50: quantile(latencies, 0.5),
    p95: quantile(latencies, 0.95),
    stalls: rows.flatMap((row) => row.stalls.map((stall) => ({ viewer: row.name, ...stall }))),
  };
}

/**
 * Measures window after window of `seconds` until what `check` asserts of one holds, and fails with its error when the
 * last one of `windows` is not as it should be either: how soon a swarm settles depends on what else the machine does,
 * where it settles does not.
 */
export async function settled(t, viewers, seconds, check, windows = 4) {
  for (let window = 1; ; window++) {
    const result = await measure(viewers, seconds);
    t.diagnostic(`window ${window}\n${describe(result)}`);
    try {
      check(result);
      return result;
    } catch (error) {
      if (window === windows) throw error;
      t.diagnostic(`not settled: ${error.message}`);
    }
  }
}

/**
 * Does `attempt` and, when what it asserts does not hold, does it again, `times` in all: a page that another program
 * kept from running for a second stalls, whatever happened to it, but not each time.
 */
export async function again(t, attempt, times = 3) {
  for (let n = 1; ; n++) {
    try {
      return await attempt();
    } catch (error) {
      if (n === times || error.code !== 'ERR_ASSERTION') throw error;
      t.diagnostic(`attempt ${n}: ${error.message}`);
    }
  }
}

/** Nothing stalled in what was measured. */
export const noStalls = (result) => assert.deepEqual(result.stalls, [], 'no stalls');

/** One line a viewer and one for all, for the log of the run. */
export function describe(result) {
  const lines = result.rows.map((row) =>
    `  ${row.name.padEnd(10)} peers ${(row.dataChannel / 1e6).toFixed(2)} MB, feed ${(row.feed / 1e6).toFixed(2)}, http ${(row.http / 1e6).toFixed(2)}; ` +
    `latency p50 ${ms(quantile(row.latencies, 0.5))} p95 ${ms(quantile(row.latencies, 0.95))}; stalls ${row.stalls.length}; ` +
    `start ${ms(row.startedAfterMs)}; ${row.heights.join('/')}p; ${(row.requests / result.seconds).toFixed(1)} req/s`);
  return [...lines, `  all        from peers ${percent(result.share)}; latency p50 ${ms(result.p50)} p95 ${ms(result.p95)}; stalls ${result.stalls.length}`].join('\n');
}
