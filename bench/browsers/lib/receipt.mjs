// A receipt as bench/report reads it, and the same for people as Markdown.
import { cpus, arch, platform } from 'node:os';
import { isSaturated } from './result.mjs';
import { ownVersion, versionOf } from './versions.mjs';

const goArch = { x64: 'amd64', arm64: 'arm64' };

/** The receipt of one group: results of one number of viewers on parts of one length. */
export async function toReceipt({ title, command, viewers, seconds, warmup, partMs, settings, browserVersion, entries }) {
  const results = entries.map((entry) => entry.result);
  const saturated = results.filter(isSaturated).map((result) => result.name);
  const software = { Node: process.versions.node, Chromium: browserVersion ?? 'unknown' };
  for (const name of ['hls.js', 'p2p-media-loader-hlsjs', 'bittorrent-tracker']) software[name] = await versionOf(name);
  return {
    schema: 1,
    kind: 'browsers',
    title,
    time: new Date().toISOString(),
    version: ownVersion(),
    machine: { os: `${platform()}/${goArch[arch()] ?? arch()}`, cpu: cpus()[0]?.model ?? '', cores: cpus().length, software },
    command,
    viewers,
    seconds,
    warmupSeconds: warmup,
    partMs,
    settings,
    notes: [
      ...(saturated.length === 0 ? [] : [`The machine was over 90 % busy with ${saturated.join('; ')}: these figures are of the machine, not of the player.`]),
      ...entries.filter((entry) => entry.errors?.length > 0).map((entry) => `Errors in the pages of ${entry.result.name}: ${entry.errors.join('; ')}.`),
    ],
    results,
    curves: curves(entries),
  };
}

/** Offload against measured latency, a line for each player that ran at two distances or more. */
export function curves(entries) {
  const lines = new Map();
  for (const { player, result } of entries) {
    const latency = result.quantiles?.latency?.p50;
    if (player.line === undefined || latency === undefined || result.figures.offload === undefined) continue;
    const asked = player.latency === undefined ? 'own choice' : `asked for ${player.latency} s`;
    const point = { x: latency, y: result.figures.offload, label: `${asked}, ${result.figures.stalls} stalls${isSaturated(result) ? ', machine full' : ''}` };
    lines.set(player.line, [...(lines.get(player.line) ?? []), point]);
  }
  const drawn = [...lines].filter(([, points]) => points.length > 1).map(([name, points]) => ({ name, points: points.sort((a, b) => a.x - b.x) }));
  if (drawn.length === 0) return [];
  return [{
    title: 'Offload against latency',
    about: 'Share of media bytes that came from other viewers, by median latency from camera to screen as measured.',
    x: { title: 'Latency p50', unit: 'ms' },
    y: { title: 'Offload', unit: 'share' },
    lines: drawn,
  }];
}

const seconds = (ms) => (ms === undefined ? '–' : (ms / 1000).toFixed(2));
const percent = (value) => (value === undefined ? '–' : `${(100 * value).toFixed(1)} %`);
const fixed = (value, digits) => (value === undefined ? '–' : value.toFixed(digits));

/** The receipt as a table. */
export function toMarkdown(receipt) {
  const columns = ['player', 'from peers', 'latency p50 / p95, s', 'start-up p50 / p95, s', 'stalls', 'stalled, s', 'requests a viewer and second', 'core a viewer', 'main thread', 'JS heap, MB', 'machine idle'];
  const rows = receipt.results.map(({ name, figures: f, quantiles: q = {} }) => [
    name,
    percent(f.offload),
    `${seconds(q.latency?.p50)} / ${seconds(q.latency?.p95)}`,
    `${seconds(q.startup?.p50)} / ${seconds(q.startup?.p95)}`,
    fixed(f.stalls, 0),
    seconds(f.stallTime),
    fixed(f.requestRate, 1),
    fixed(f.cpu, 3),
    percent(f.pageThread),
    fixed(f.heap, 1),
    percent(f.machineIdle),
  ]);
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const settings = Object.entries(receipt.settings).map(([name, value]) => `${name} ${value}`).join(', ');
  return [
    `## ${receipt.title}`,
    '',
    `${receipt.viewers} viewers, ${receipt.seconds} s after ${receipt.warmupSeconds} s of warm-up, parts of ${receipt.partMs} ms; ${settings}. \`${receipt.command}\``,
    '',
    line(columns),
    line(columns.map(() => '---')),
    ...rows.map(line),
    '',
    ...receipt.results.map((result) => `- ${result.name}: ${result.about}.`),
    ...receipt.notes.map((note) => `- ${note}`),
    '',
  ].join('\n');
}
