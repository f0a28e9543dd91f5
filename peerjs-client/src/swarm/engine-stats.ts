import type { Beacon } from '../tracker/messages.js';
import { EDGE_ID } from '../wire/peer-frames.js';
import type { ByteCounters } from './counters.js';
import type { EngineState, EngineStats, NeighbourStats } from './engine-types.js';
import type { Feed } from './feed.js';
import type { MediaPlane } from './media-plane.js';
import type { Neighbours } from './neighbours.js';
import type { PeerLink } from './peer-link.js';
import type { Qoe } from './qoe.js';

/** What the figures are collected from. */
export interface EngineParts {
  readonly state: EngineState;
  readonly reason: string;
  readonly stream: string;
  readonly viewerId: string | undefined;
  readonly trackerConnected: boolean;
  readonly tracks: readonly string[];
  readonly counters: ByteCounters;
  readonly qoe: Qoe;
  readonly neighbours: Neighbours;
  readonly feed: Feed;
  readonly plane: MediaPlane;
  /** bit/s. */
  readonly uplink: number;
  readonly firstPeerByteMs: number | undefined;
}

/** A snapshot of the engine for pages and tests. */
export function collectStats(p: EngineParts): EngineStats {
  const { plane, qoe, counters } = p;
  const { edgeRequests, peerRequests, switches } = plane.repairer;
  const feedState = p.feed.link?.state;
  return {
    state: p.state, reason: p.reason, stream: p.stream, viewerId: p.viewerId, trackerConnected: p.trackerConnected,
    feedState: feedState === undefined || feedState === 'closed' ? 'off' : feedState,
    tracks: p.tracks,
    sources: Object.fromEntries(plane.active.map((t) => [t.info.name, t.sources.current])),
    counters: counters.snapshot(), offload: counters.offload,
    neighbours: p.neighbours.all.map((link) => neighbourStats(link, plane)),
    banned: p.neighbours.banned,
    repairs: { edgeRequests, peerRequests, switches },
    heldBytes: plane.heldBytes, heldParts: plane.heldParts,
    stalls: qoe.stalls, stallMs: qoe.stallMs, startupMs: qoe.startupMs, latencyMs: qoe.latencyMs, bufferMs: qoe.bufferMs,
    droppedFrames: qoe.droppedFrames, firstPeerByteMs: p.firstPeerByteMs,
  };
}

function neighbourStats(link: PeerLink, plane: MediaPlane): NeighbourStats {
  const isParent = link.id !== EDGE_ID && plane.active.some((t) => t.sources.uses(link.id));
  const isChild = plane.uploader.isChild(link.id);
  return {
    id: link.id, role: isParent ? (isChild ? 'both' : 'parent') : (isChild ? 'child' : 'idle'),
    state: link.isReady ? 'ready' : 'connecting', receivedBytes: link.receivedBytes, sentBytes: link.sentBytes,
    rttMs: link.rttMs, connectMs: link.connectMs,
  };
}

/** The cumulative counters for the tracker. */
export function collectBeacon(p: EngineParts): Beacon {
  const { qoe } = p;
  const round = Math.round;
  return {
    ...p.counters.snapshot(), stalls: qoe.stalls, stallMs: round(qoe.stallMs), bufferMs: round(qoe.bufferMs), droppedFrames: qoe.droppedFrames,
    ...(qoe.startupMs === undefined ? {} : { startupMs: round(qoe.startupMs) }),
    ...(qoe.latencyMs === undefined ? {} : { latencyMs: round(qoe.latencyMs) }),
    rung: p.tracks[0] ?? '', peers: p.neighbours.all.filter((link) => link.isReady).length, uplink: p.uplink,
  };
}
