// Compares players in real browsers; `node bench/browsers/compare.mjs --help`,
// method in docs/comparison.md.
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanUp, endOnSignal } from './lib/cleanup.mjs';
import { measureRuns } from './lib/measure-runs.mjs';
import { estimate, help, parseCommand, runsOf } from './lib/plan.mjs';
import { toMarkdown, toReceipt } from './lib/receipt.mjs';
import { mainErrors } from './lib/result.mjs';

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;

async function main(args) {
  const options = parseCommand(args);
  if (options.help) return console.log(help);
  const runs = runsOf(options);
  const expected = estimate(runs, options);
  console.log(`${runs.length} runs, about ${clock(expected)} (at most ${clock(limitOf(expected))})`);
  if (options.planOnly) return runs.forEach(({ player, viewers, content }) => console.log(`  ${viewers} × ${player.spec}, parts ${content.partMs} ms, segments ${content.segmentSeconds} s: ${player.about}`));
  endOnSignal(limitOf(expected) * 1000);

  const out = resolve(options.out ?? fileURLToPath(new URL('out', import.meta.url)));
  await mkdir(out, { recursive: true });
  const command = `node bench/browsers/compare.mjs ${args.join(' ')}`.trim();
  const settings = { bitrate: `${options.bitrate / 1e6} Mbit/s`, renditions: options.ladder ? 'source and two below' : 'source alone' };
  const stamp = new Date().toISOString().replace(/[-:]|\..*/g, '');
  const began = performance.now();
  const entries = options.groups.map(() => []);
  let browserVersion;
  await measureRuns(runs, options, {
    onStart: (run, number) => console.log(`[${number}/${runs.length}, ${clock((performance.now() - began) / 1000)} of about ${clock(expected)}] ${run.viewers} × ${run.player.spec}`),
    async onResult(run, result, outcome) {
      console.log(`    ${outcome.error === undefined ? oneLine(result) : `failed: ${outcome.error.slice(0, 300)}`}`);
      browserVersion ??= outcome.browserVersion;
      const group = options.groups[run.group];
      const errors = mainErrors(outcome.errors ?? []);
      if (errors.length > 0) console.log(`    errors in the pages: ${errors.join('; ')}`);
      entries[run.group].push({ player: run.player, result, errors });
      // Written anew after every run, so that an interrupted comparison leaves what it has.
      const receipt = await toReceipt({ ...group, command, seconds: options.seconds, warmup: options.warmup, settings, browserVersion, entries: entries[run.group] });
      const name = `browsers-${run.group + 1}-${group.viewers}-${stamp}`;
      await writeFile(join(out, `${name}.json`), JSON.stringify(receipt, null, 1));
      await writeFile(join(out, `${name}.md`), toMarkdown(receipt));
    },
  });
  console.log(`receipts and tables: ${out}`);
  if (entries.flat().every(({ result }) => result.figures.stalls === undefined)) throw new Error('no player played');
}

/** When the comparison is ended whatever happens: players that do not start cost up to a minute each. */
const limitOf = (expected) => expected * 1.5 + 300;

const oneLine = ({ figures: f, quantiles: q }) =>
  `from peers ${f.offload === undefined ? '–' : (100 * f.offload).toFixed(1)} %, latency ${Math.round(q.latency?.p50)} / ${Math.round(q.latency?.p95)} ms, stalls ${f.stalls} (${(f.stallTime / 1000).toFixed(1)} s), ` +
  `${f.requestRate.toFixed(1)} requests/s, ${f.cpu.toFixed(3)} core a viewer, main thread ${(100 * f.pageThread).toFixed(1)} %, machine idle ${(100 * f.machineIdle).toFixed(0)} %`;

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await cleanUp();
}
