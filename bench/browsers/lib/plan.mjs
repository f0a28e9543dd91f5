// What is run: the command line, and the runs that it stands for.
import { parseArgs } from 'node:util';
import { hasMediamtx } from './mediamtx.mjs';
import { parsePlayer } from './players.mjs';

// One after the other, ours and theirs in turn, so that a slow change of the machine's load hits both.
const comparison = ['ours', 'p2pml-default', 'ours-http', 'p2pml-mended', 'ours-bare', 'p2pml-plain', 'hls', 'p2pml-tuned@6'];
const curve = ['ours@1', 'p2pml-tuned@1.5', 'p2pml-tuned@2', 'ours@1.5', 'p2pml-tuned@3', 'ours@2', 'p2pml-tuned@6', 'ours@3', 'p2pml-tuned@9', 'ours@6', 'p2pml-tuned@14', 'p2pml-plain@6', 'p2pml-plain@14', 'p2pml-plain'];

/** Suites: groups of players at so many viewers on parts of so many milliseconds; 0 viewers is the number asked for. */
const suites = {
  comparison: [{ title: 'Players on one broadcast', viewers: 0, partMs: 333, players: comparison, others: ['mediamtx'] }],
  curve: [{ title: 'Offload against latency', viewers: 0, partMs: 333, players: curve }],
  ladder: [6, 12, 24].map((viewers) => ({ title: `${viewers} viewers`, viewers, partMs: 333, players: ['ours', 'hls'] })),
  subsecond: [{ title: 'Parts of 200 ms', viewers: 0, partMs: 200, players: ['ours', 'ours-http', 'hls'], others: ['mediamtx'] }],
};

export const help = `node bench/browsers/compare.mjs [options]: players beside each other in Chromium, on one broadcast.

  --suite NAME       comparison (default), curve, ladder, subsecond, or all of them; several with commas
  --players LIST     these instead of a suite, as ours,p2pml-tuned@6 (NAME@SECONDS behind the live end);
                     ours, ours-http, ours-bare, hls, p2pml-default, p2pml-mended, p2pml-plain, p2pml-tuned,
                     mediamtx (by itself in a suite where bench/browsers/mediamtx.sh has built it)
  --viewers N        of each player at a time; a list, as 6,12, with --players (default 6)
  --duration S       measured seconds (default 40)
  --cost S           further seconds, with the probes at rest, for CPU (default 10)
  --warmup S         seconds between the last viewer's start and the measurement (default 20)
  --part MS          length of parts with --players (default 333)
  --bitrate BIT/S    of the broadcast's video (default 1500000)
  --ladder           with two lower renditions; without, all players take the same bytes
  --repeat N         each run so often (default 1)
  --out DIR          where receipts and tables go (default bench/browsers/out)
  --plan             say what would be run and how long it takes, and end`;

/** Reads the command line. Throws an Error that says what to change. */
export function parseCommand(args) {
  const { values } = parseArgs({
    args,
    options: {
      suite: { type: 'string', default: 'comparison' }, players: { type: 'string' }, viewers: { type: 'string', default: '6' },
      duration: { type: 'string', default: '40' }, cost: { type: 'string', default: '10' }, warmup: { type: 'string', default: '20' }, part: { type: 'string', default: '333' },
      bitrate: { type: 'string', default: '1500000' }, ladder: { type: 'boolean', default: false }, repeat: { type: 'string', default: '1' },
      out: { type: 'string' }, plan: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const number = (name, low, high, text = values[name]) => {
    const value = Number(text);
    if (!(value >= low && value <= high)) throw new Error(`--${name} ${text}: want ${low} to ${high}`);
    return value;
  };
  const viewers = values.viewers.split(',').map((text) => number('viewers', 1, 100, text));
  const common = { seconds: number('duration', 1, 3600), warmup: number('warmup', 0, 600), cost: number('cost', 1, 600), repeat: number('repeat', 1, 20) };
  const groups = values.players === undefined
    ? suiteGroups(values.suite, viewers[0])
    : viewers.map((count) => ({ title: 'Players on one broadcast', viewers: count, partMs: number('part', 100, 1000), players: values.players.split(',') }));
  return {
    ...common,
    help: values.help,
    planOnly: values.plan,
    out: values.out,
    bitrate: number('bitrate', 100_000, 20_000_000),
    ladder: values.ladder,
    groups: groups.map((group) => ({ ...group, players: group.players.map(parsePlayer) })),
  };
}

function suiteGroups(text, viewers) {
  const names = text === 'all' ? Object.keys(suites) : text.split(',');
  return names.flatMap((name) => {
    if (!Object.hasOwn(suites, name)) throw new Error(`unknown suite "${name}": want ${Object.keys(suites).join(', ')} or all`);
    return suites[name].map(({ others = [], ...group }) => ({ ...group, viewers: group.viewers || viewers, players: [...group.players, ...(hasMediamtx() ? others : [])] }));
  });
}

/** The runs in order. Those that need another server or other segments are together, since the broadcast starts anew for them. */
export function runsOf({ groups, repeat }) {
  return groups.flatMap((group, index) => {
    const runs = Array.from({ length: repeat }, () => group.players).flat().map((player) => ({ group: index, player, viewers: group.viewers, content: { server: player.server, partMs: group.partMs, segmentSeconds: player.segmentSeconds ?? 2 } }));
    const key = ({ content }) => JSON.stringify(content);
    return [...new Set(runs.map(key))].flatMap((content) => runs.filter((run) => key(run) === content));
  });
}

const opening = 1.2; // a viewer on two cores
const around = 8; // starting and ending a browser
const broadcastStart = 12;

/** How long it takes, in seconds, when all players play. */
export function estimate(runs, { seconds, warmup, cost }) {
  let total = 0;
  let content = '';
  for (const run of runs) {
    if (JSON.stringify(run.content) !== content) total += broadcastStart;
    content = JSON.stringify(run.content);
    total += warmup + seconds + cost + around + opening * run.viewers;
  }
  return total;
}
