// From what run.mjs measured to a result of a receipt (bench/report, receipt.go).
import { quantile } from '../../../peerjs-client/e2e/lib/figures.mjs';

/** Above this share of busy CPU the machine is the bottleneck, and figures are of it rather than of the player. */
export const saturatedAbove = 0.9;

export function quantiles(samples) {
  if (samples.length === 0) return undefined;
  return { n: samples.length, p50: quantile(samples, 0.5), p95: quantile(samples, 0.95), p99: quantile(samples, 0.99), max: Math.max(...samples) };
}

/** At most `points` points of the share of samples at or below x. */
export function cdf(samples, points = 60) {
  const sorted = [...samples].sort((a, b) => a - b);
  const count = Math.min(points, sorted.length);
  return Array.from({ length: count }, (_, i) => {
    const at = Math.ceil(((i + 1) * sorted.length) / count) - 1;
    return { x: sorted[at], y: (at + 1) / sorted.length };
  });
}

const mean = (values) => (values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length);
const sum = (values) => values.reduce((total, value) => total + value, 0);

/** Drops what was not measured: a missing figure is not 0. */
const present = (figures) => Object.fromEntries(Object.entries(figures).filter(([, value]) => typeof value === 'number' && Number.isFinite(value)));

const share = (part, rest) => (part + rest > 0 ? part / (part + rest) : undefined);

/** Growth of one of the player's own counters over the measurement, all viewers. */
function grown(outcome, family, name) {
  if (outcome.own.some(({ before, after }) => before[family]?.[name] === undefined || after[family]?.[name] === undefined)) return undefined;
  return sum(outcome.own.map(({ before, after }) => after[family][name] - before[family][name]));
}

/** Figures only our player counts: repeated and altered bytes, frames without media. */
function ownFigures(outcome) {
  const [peer, feed, http, duplicate, control, rejected] = ['peerBytes', 'feedBytes', 'httpBytes', 'duplicateBytes', 'controlBytes', 'rejectedBytes'].map((name) => grown(outcome, 'ours', name));
  if (peer === undefined) return {};
  const received = peer + feed + http + duplicate;
  return { duplicates: duplicate / received, control: control / received, rejectedBytes: rejected };
}

/** The result of one player with `viewers` viewers. */
export function toResult(player, viewers, outcome) {
  const head = { name: player.label, role: player.role, about: player.about };
  if (outcome.error !== undefined) return { ...head, about: `${player.about}. It did not play: ${outcome.error.slice(0, 400)}`, figures: {} };
  const { measured, machine, undisturbed, pages, channels } = outcome;
  const latencies = measured.rows.flatMap((row) => row.latencies);
  const startups = measured.rows.map((row) => row.startedAfterMs).filter((value) => value !== undefined && value !== null);
  const firsts = outcome.own.map(({ after }) => after.firstPeerByteMs).filter((value) => typeof value === 'number');
  const offload = Number.isFinite(measured.share) ? measured.share : undefined;
  // Each part must leave the edge once; the reference is that all viewers may upload.
  const isSwarm = player.line === 'Starling';
  const bound = isSwarm && viewers > 1 ? 1 - 1 / viewers : undefined;
  return {
    ...head,
    figures: present({
      offload,
      bound,
      boundShare: bound === undefined ? undefined : offload / bound,
      edgeCopies: isSwarm && offload !== undefined ? (1 - offload) * viewers : undefined,
      peerBytes: measured.dataChannel,
      feedBytes: measured.feed,
      httpBytes: measured.http,
      stalls: measured.stalls.length,
      stallTime: sum(measured.rows.map((row) => row.stallMs)),
      requestRate: mean(measured.rows.map((row) => row.requests / measured.seconds)),
      connections: mean(channels.map((one) => one.connected)),
      cpu: (undisturbed.cores.chromium ?? 0) / viewers,
      memory: outcome.memory / viewers / 1e6,
      pageThread: mean(pages.map((page) => page.thread)),
      pageCpu: mean(pages.map((page) => page.process)),
      pageScript: mean(pages.map((page) => page.script)),
      heap: mean(pages.map((page) => page.heap / 1e6)),
      machineIdle: machine.idle,
      machineSteal: machine.steal,
      serverCores: machine.cores[player.server] ?? 0,
      ownOffload: share(grown(outcome, 'p2pml', 'peers') ?? grown(outcome, 'ours', 'peerBytes') ?? 0, (grown(outcome, 'p2pml', 'http') ?? (grown(outcome, 'ours', 'httpBytes') ?? 0) + (grown(outcome, 'ours', 'feedBytes') ?? 0))),
      ...ownFigures(outcome),
    }),
    quantiles: Object.fromEntries(Object.entries({ latency: quantiles(latencies), startup: quantiles(startups), firstPeerByte: quantiles(firsts) }).filter(([, value]) => value !== undefined)),
    cdfs: latencies.length > 0 ? { latency: cdf(latencies) } : {},
    perViewer: measured.rows.map((row, i) => ({
      name: row.name,
      labels: { rungs: row.heights.map((height) => `${height}p`).join(' ') },
      figures: present({
        offload: share(row.dataChannel, row.http + row.feed),
        latency: quantile(row.latencies, 0.5),
        startup: row.startedAfterMs,
        stalls: row.stalls.length,
        stallTime: row.stallMs,
        requestRate: row.requests / measured.seconds,
        connections: channels[i].connected,
        pageThread: pages[i].thread,
        heap: pages[i].heap / 1e6,
      }),
    })),
  };
}

/** The most frequent different errors of the pages, shortened: most of what a player complains of is said many times. */
export function mainErrors(errors, most = 4) {
  const counts = new Map();
  for (const error of errors) counts.set(error.slice(0, 160), (counts.get(error.slice(0, 160)) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).slice(0, most).map(([error, times]) => (times > 1 ? `${error} (${times} times)` : error));
}

/** True when the machine had no CPU to spare, so that the figures are of the machine. */
export const isSaturated = (result) => result.figures.machineIdle !== undefined && result.figures.machineIdle < 1 - saturatedAbove;
