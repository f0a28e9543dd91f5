/**
 * Times of the swarm policy in milliseconds; the reasons stand with their Go
 * twin, `internal/peerstate/rules.go`.
 */
export interface Rules {
  /** Share of the slack spent waiting for a push before a repair. Default 35. */
  readonly patiencePercent: number;
  /** Least patience. Default 60. */
  readonly patienceMinMs: number;
  /** Most patience. Default 400. */
  readonly patienceMaxMs: number;
  /** Least slack with which a neighbour is asked; below it only the edge is sure enough. Default 250. */
  readonly requestSlackMs: number;
  /** After a slice was expected this long while others flow, its source is left for the backup. Default 150. */
  readonly silentMs: number;
  /** So long after its last chunk a slice counts as still arriving. Default 60. */
  readonly flowingMs: number;
  /** Parts in a row without a chunk of a slice that end its source. Default 2. */
  readonly missedParts: number;
  /** So long after its deadline a part is forgotten. Default 4000. */
  readonly usefulMs: number;
  /** Pause before a failed edge fetch is tried again. Default 100. */
  readonly retryMs: number;
}

/** The rules of docs/peer.md. */
export const DEFAULT_RULES: Rules = {
  patiencePercent: 35, patienceMinMs: 60, patienceMaxMs: 400, requestSlackMs: 250,
  silentMs: 150, flowingMs: 60, missedParts: 2, usefulMs: 4_000, retryMs: 100,
};

/** How long to wait for a push with that much slack: not at all once the deadline has passed. */
export function patience(r: Rules, slack: number): number {
  if (slack <= 0) return 0;
  return Math.min(Math.max(Math.trunc((slack * r.patiencePercent) / 100), r.patienceMinMs), r.patienceMaxMs);
}
