/** What the player asks of the swarm engine beyond parts. `SwarmEngine` (swarm/engine.ts) satisfies it. */
import type { PartSource } from './part-source';
import type { PartFacts } from './playlist-model';

/** A header whose signature was verified. */
export interface VerifiedHeader {
  /** Track name. */
  readonly track: string;
  readonly header: PartFacts;
}

/** The swarm engine as the player sees it. Every method may be called at any time after construction. */
export interface SwarmPort extends PartSource {
  start(): void;
  /** The tracks that play now, video first. */
  setTracks(names: readonly string[]): void;
  /** Seconds buffered ahead. */
  setBuffer(seconds: number): void;
  noteStall(ms: number): void;
  noteStartup(ms: number): void;
  noteLatency(ms: number): void;
  /** Calls the listener with each verified header of the tracks that play, as soon as it is there. */
  on(event: 'header', listener: (value: VerifiedHeader) => void): () => void;
  /** Dropped frames since playback began. */
  noteDroppedFrames(total: number): void;
  close(): void;
}

/** Calls the engine so that its failures stay its own. */
export function quietly(call: () => void, onFailure: (error: unknown) => void): void {
  try {
    call();
  } catch (error) {
    onFailure(error);
  }
}
