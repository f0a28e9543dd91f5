// The players that are compared. A player is written NAME or NAME@SECONDS, where
// SECONDS is the distance from the live end that it is asked to keep.
import { settings, tuned } from './tuning.mjs';

const embedded = (attributes) => ({ pages, streamUrl }, latency) => pages.address('ours', {
  attributes: { src: `${streamUrl}/index.m3u8`, autoplay: '', muted: '', controls: '', ...attributes, ...(latency === undefined ? {} : { latency: `${latency}` }) },
});

const shipped = (mend) => ({ pages, streamUrl, tracker }, latency) => pages.address('p2pml', {
  source: `${streamUrl}/index.m3u8`,
  hls: latency === undefined ? {} : { liveSyncDuration: latency },
  core: core(tracker),
  mend,
});

// The makers' own trackers and STUN servers are on the Internet; all peers here are on this machine.
const core = (tracker) => ({ announceTrackers: [tracker], rtcConfig: { iceServers: [] } });

const families = {
  ours: { role: 'swarm', line: 'Starling', label: 'Starling', about: 'our player as embedded by a site, swarm on', address: embedded({}), mediaChannel: 'chunks' },
  'ours-http': { role: 'edge-only', label: 'Starling, no peers', about: 'our player with p2p=off: pushed by the edge', address: embedded({ p2p: 'off' }), mediaChannel: 'chunks' },
  'ours-bare': { role: 'other', label: 'Starling, plain HTTP', about: 'our player with p2p=off and feed=off', address: embedded({ p2p: 'off', feed: 'off' }), mediaChannel: 'chunks' },
  hls: {
    role: 'other',
    label: 'hls.js',
    about: 'hls.js as it comes, low-latency mode',
    address: ({ pages, streamUrl }, latency) => pages.address('hls', { source: `${streamUrl}/index.m3u8`, hls: latency === undefined ? {} : { liveSyncDuration: latency } }),
  },
  mediamtx: {
    role: 'other',
    label: 'MediaMTX with hls.js',
    about: 'MediaMTX 1.20.1, low-latency HLS, the same picture by an encoder of its own; hls.js as it comes',
    server: 'mediamtx',
    address: ({ pages, streamUrl }, latency) => pages.address('hls', { source: `${streamUrl}/index.m3u8`, hls: latency === undefined ? {} : { liveSyncDuration: latency } }),
  },
  'p2pml-default': { role: 'other', line: 'p2p-media-loader, default', label: 'p2p-media-loader, as shipped', about: 'on the low-latency playlist', tracker: true, address: shipped('none') },
  'p2pml-mended': { role: 'other', line: 'p2p-media-loader, default', label: 'p2p-media-loader, as shipped, mended', about: 'on the low-latency playlist, finding its stream again after _HLS_msn', tracker: true, address: shipped('strip') },
  'p2pml-plain': { role: 'other', line: 'p2p-media-loader, default', label: 'p2p-media-loader, as shipped, plain HLS', about: 'on the playlist without its low-latency tags', tracker: true, address: shipped('plain') },
  'p2pml-tuned': {
    role: 'other',
    line: 'p2p-media-loader, tuned',
    label: 'p2p-media-loader, tuned',
    about: 'lib/tuning.mjs',
    tracker: true,
    needsLatency: true,
    tune: tuned,
    address: ({ pages, streamUrl, tracker }, latency, tune) => pages.address('p2pml', { ...tune, source: `${streamUrl}/index.m3u8`, core: { ...tune.core, ...core(tracker) } }),
  },
};

export const playerNames = Object.keys(families);

/** Reads NAME[@SECONDS]. */
export function parsePlayer(text) {
  const [, name, seconds] = /^([a-z0-9-]+)(?:@(\d+(?:\.\d+)?))?$/.exec(text) ?? [];
  const family = families[name];
  if (!Object.hasOwn(families, name ?? '')) throw new Error(`unknown player "${text}": want ${playerNames.join(', ')}, each with @SECONDS if wanted`);
  const latency = seconds === undefined ? undefined : Number(seconds);
  if (latency === undefined && family.needsLatency) throw new Error(`"${text}" needs a latency, such as ${name}@6`);
  if (latency !== undefined && (latency < 0.2 || latency > 60)) throw new Error(`"${text}": the latency must be 0.2 to 60 s`);
  return player(text, family, latency, family.tune?.(latency));
}

/** A p2p-media-loader with settings of tune.mjs. */
export function candidate(name, values) {
  return player(name, families['p2pml-tuned'], values.latency, settings(values));
}

function player(spec, family, latency, tune) {
  const asked = latency === undefined ? '' : ` at ${latency} s`;
  return {
    spec,
    role: spec in families ? family.role : 'other',
    line: family.line,
    latency,
    label: `${family.label}${asked}`,
    about: tune === undefined ? family.about : `${family.about}: ${describeTuning(tune)}`,
    server: family.server ?? 'starling',
    segmentSeconds: tune?.segmentSeconds,
    needsTracker: family.tracker === true,
    // null: all data channels carry media.
    mediaChannel: family.mediaChannel ?? null,
    address: (broadcast) => family.address(broadcast, latency, tune),
  };
}

const describeTuning = ({ segmentSeconds, core: { highDemandTimeWindow: high, simultaneousHttpDownloads: http, simultaneousP2PDownloads: p2p }, spread, mend }) =>
  `segments of ${segmentSeconds} s, high demand ${high.toFixed(2)} s and up to ${spread.toFixed(2)} s more, ${http} HTTP and ${p2p} peer downloads, playlist ${mend}`;
