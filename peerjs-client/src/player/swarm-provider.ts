/** Joins the player and the swarm engine: makes engines, and reads their figures for people. */
import type { StreamLocation } from '../hls/media-url';
import type { SwarmPort } from '../hls/swarm-port';
import { SwarmEngine } from '../swarm/engine';
import type { EngineState, NeighbourStats } from '../swarm/engine-types';
import type { PlayerOptions } from './player-options';
import type { SwarmProvider } from './starling-player';
import type { SwarmStats } from './stats';

const roles: Readonly<Record<NeighbourStats['role'], string>> = { parent: 'sends', child: 'receives', both: 'sends, receives', idle: 'backup' };
const states: Readonly<Record<EngineState, string>> = {
  off: '', starting: 'connecting', 'edge-only': 'edge only', feed: 'feed only', swarm: 'joined', closed: '',
};

function create(location: StreamLocation, options: PlayerOptions): SwarmEngine {
  const engine = new SwarmEngine({
    baseUrl: location.baseUrl,
    stream: location.stream,
    peers: options.p2p,
    feed: options.feed,
    ...(options.uplink === undefined ? {} : { uplink: options.uplink }),
    ...(options.tracker === undefined ? {} : { trackerUrl: options.tracker }),
  });
  if (options.debug) engine.on('log', ({ level, message }) => console[level](`starling: ${message}`));
  return engine;
}

function read(swarm: SwarmPort): SwarmStats | undefined {
  if (!(swarm instanceof SwarmEngine)) return undefined;
  const { counters, neighbours, state, reason } = swarm.stats();
  return {
    bytes: { peer: counters.peerBytes, feed: counters.feedBytes, edge: counters.httpBytes, sent: counters.sentBytes },
    peers: neighbours.filter((peer) => peer.state === 'ready').map((peer) => ({ id: peer.id, role: roles[peer.role], rtt: peer.rttMs })),
    state: reason === '' || state === 'swarm' ? states[state] : `${states[state]} (${reason})`,
  };
}

/** The provider with the real engine. */
export const swarmProvider: SwarmProvider = {
  create,
  read,
  isAvailable: typeof RTCPeerConnection === 'function',
};
