import type { EngineState } from './engine-types.js';

interface Abilities {
  /** There is a verifier for the stream's key. */
  readonly canVerify: boolean;
  readonly hasSubtle: boolean;
  readonly mayFeed: boolean;
  readonly arePeersOn: boolean;
  readonly hasPeerConnection: boolean;
  /** What the tracker's welcome says; undefined before it. */
  readonly p2p: boolean | undefined;
}

/** The engine's state once the catalog is there, and why. */
export function describeState(a: Abilities): readonly [state: EngineState, reason: string] {
  const withoutPeers = a.mayFeed ? 'feed' : 'edge-only';
  if (!a.hasSubtle) return ['edge-only', 'no WebCrypto: the page is not served over HTTPS'];
  if (!a.canVerify) return ['edge-only', 'no Ed25519 in WebCrypto'];
  if (!a.arePeersOn) return [withoutPeers, 'peers are switched off'];
  if (!a.hasPeerConnection) return [withoutPeers, 'no RTCPeerConnection'];
  if (a.p2p === undefined) return [withoutPeers, 'the tracker is awaited'];
  return a.p2p ? ['swarm', 'joined'] : [withoutPeers, 'the tracker wants no peers'];
}
