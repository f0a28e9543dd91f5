/**
 * Times of the swarm policy in milliseconds; the reasons stand with their Go
 * twin, `internal/peerstate/rules.go`.
 */
export interface Rules {
  /** With little slack from the beginning, so much of it is waited for a push before a repair. Default 35. */
  readonly patiencePercent: number;
  /** Least patience. Default 60. */
  readonly patienceMinMs: number;
  /** A push is awaited until so much of the slack is left. Default 450. */
  readonly leadMs: number;
  /** Bounds how long a header is waited for. Default 1000. */
  readonly headerMaxMs: number;
  /** Bounds how long a neighbour that was asked is waited for. Default 400. */
  readonly requestMaxMs: number;
  /** Least slack with which a neighbour is asked; below it only the edge is sure enough. Default 250. */
  readonly requestSlackMs: number;
  /** So long after its last chunk a slice counts as still arriving. Default 200. */
  readonly flowingMs: number;
  /** Parts in a row without a chunk of a slice that end its source. Default 2. */
  readonly missedParts: number;
  /** So long after its deadline a part is forgotten. Default 4000. */
  readonly usefulMs: number;
  /** Takes the place of `patiencePercent` while lateness is general. Default 60. */
  readonly strainedPercent: number;
  /** Takes the place of `leadMs` while lateness is general. Default 300. */
  readonly strainedLeadMs: number;
  /** Pause before a failed edge fetch is tried again. Default 100. */
  readonly retryMs: number;
}

/** The rules of docs/peer.md. */
export const DEFAULT_RULES: Rules = {
  patiencePercent: 35, patienceMinMs: 60, leadMs: 450, headerMaxMs: 1_000, requestMaxMs: 400, requestSlackMs: 250,
  flowingMs: 200, missedParts: 2, usefulMs: 4_000, strainedPercent: 60, strainedLeadMs: 300, retryMs: 100,
};

/** The rules while lateness is general. */
export function strained(r: Rules): Rules {
  return { ...r, patiencePercent: r.strainedPercent, leadMs: r.strainedLeadMs };
}

/** The rules when the edge takes `edgeMs` for what is missing: it is asked that long before the deadline, neighbours as much earlier as ever. */
export function reserving(r: Rules, edgeMs: number): Rules {
  const neighbourMs = Math.max(r.leadMs - r.requestSlackMs, 0);
  return { ...r, requestSlackMs: Math.max(r.requestSlackMs, edgeMs), leadMs: Math.max(r.leadMs, edgeMs + neighbourMs) };
}

/** How long to wait for a push with that much slack: not at all once the deadline has passed. */
export function patience(r: Rules, slack: number): number {
  if (slack <= 0) return 0;
  return Math.max(slack - r.leadMs, Math.trunc((slack * r.patiencePercent) / 100), r.patienceMinMs);
}

/** How long a neighbour that is asked with that much slack is waited for. */
export function requestMs(r: Rules, slack: number): number {
  return Math.min(Math.max(Math.trunc((slack * r.patiencePercent) / 100), r.patienceMinMs), r.requestMaxMs);
}
