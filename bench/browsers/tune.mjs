// Looks for the settings under which p2p-media-loader does best at each latency:
//   node bench/browsers/tune.mjs --latencies 3,6,14 --viewers 6
// tries every combination of segment length, window and spread, and prints a
// table, best first. What it finds is written by hand into lib/tuning.mjs.
import { parseArgs } from 'node:util';
import { cleanUp, endOnSignal } from './lib/cleanup.mjs';
import { measureRuns } from './lib/measure-runs.mjs';
import { estimate } from './lib/plan.mjs';
import { candidate } from './lib/players.mjs';

const { values } = parseArgs({
  options: {
    latencies: { type: 'string', default: '3,6,9,14' }, viewers: { type: 'string', default: '6' }, segments: { type: 'string', default: '1,2' },
    high: { type: 'string', default: '0.15,0.3' }, spread: { type: 'string', default: '0,0.5,0.9' }, mends: { type: 'string', default: 'whole' },
    duration: { type: 'string', default: '30' }, warmup: { type: 'string', default: '15' },
  },
});
const list = (name) => values[name].split(',').map(Number);
const options = { seconds: Number(values.duration), warmup: Number(values.warmup), cost: 2, bitrate: 1_500_000, ladder: false };

/** Windows are shares of the time between a segment's appearance and its turn, so that one grid fits all latencies. */
function candidates() {
  const all = [];
  for (const segmentSeconds of list('segments'))
    for (const latency of list('latencies'))
      for (const share of list('high'))
        for (const spreadShare of list('spread'))
          for (const mend of values.mends.split(',')) {
            const slack = latency - segmentSeconds;
            if (slack <= 0) continue;
            const highDemand = share * slack;
            all.push({ latency, segmentSeconds, highDemand, spread: spreadShare * (slack - highDemand), mend });
          }
  return all;
}

const name = ({ latency, segmentSeconds, highDemand, spread, mend }) => `${latency} s, segments ${segmentSeconds} s, window ${highDemand.toFixed(2)} s, spread ${spread.toFixed(2)} s, ${mend}`;
const runs = candidates().map((one) => ({ player: candidate(name(one), one), viewers: Number(values.viewers), content: { server: 'starling', partMs: 333, segmentSeconds: one.segmentSeconds } }));
const expected = estimate(runs, options);
console.log(`${runs.length} runs, about ${Math.ceil(expected / 60)} minutes`);
endOnSignal((expected * 1.5 + 300) * 1000);

const found = [];
try {
  await measureRuns(runs, options, {
    onStart: (run, number) => console.log(`[${number}/${runs.length}] ${run.player.spec}`),
    async onResult(run, { figures: f, quantiles: q }, outcome) {
      if (outcome.error !== undefined) return console.log(`    failed: ${outcome.error.slice(0, 200)}`);
      console.log(`    ${(100 * f.offload).toFixed(1)} % (its own count ${(100 * f.ownOffload).toFixed(1)} %), latency ${Math.round(q.latency?.p50)} / ${Math.round(q.latency?.p95)} ms, stalls ${f.stalls} (${(f.stallTime / 1000).toFixed(1)} s), idle ${(100 * f.machineIdle).toFixed(0)} %`);
      found.push({ asked: run.player.latency, name: run.player.spec, offload: f.offload, stalls: f.stalls, stallTime: f.stallTime, p50: q.latency?.p50 });
    },
  });
  found.sort((a, b) => a.asked - b.asked || b.offload - a.offload);
  for (const one of found) console.log(`${(100 * one.offload).toFixed(1).padStart(5)} %  ${Math.round(one.p50)} ms  ${one.stalls} stalls  ${one.name}`);
} finally {
  await cleanUp();
}
