/** After something was due, ms. */
const PROBE_AFTER_MS = 25;
/** After a chunk the next of its slice is due: what the sender's other children may take in between. */
export const REST_MS = 100;
/** What an answer may take beyond the round trip. */
const PROBE_SLACK_MS = 50;
const MIN_PROBE_MS = 60;
/** Unless the round trip alone takes longer. */
const MAX_PROBE_MS = 100;

/** What is known of whether a neighbour is there. ms; 0 means never. */
export interface Probe {
  /** Its latest frame of any kind. */
  readonly heard: number;
  /** The latest PING for want of one. */
  readonly asked: number;
  /** Round trip; 0: not known, and then it is not probed. */
  readonly rtt: number;
}

/** Whether the neighbour is to be sent a PING: something of it was due, and nothing at all has come since (docs/repair.md, rule 5). One PING is enough: another would put off the end of the wait. */
export function shouldAsk(p: Probe, due: number, now: number): boolean {
  return p.rtt !== 0 && due !== 0 && p.heard < due && p.asked <= p.heard && now >= due + PROBE_AFTER_MS;
}

/** Whether it has not answered in time. Who answers is merely slow, and waited for as long as there is slack. */
export function isMute(p: Probe, now: number): boolean {
  const wait = Math.max(Math.min(2 * p.rtt + PROBE_SLACK_MS, Math.max(MAX_PROBE_MS, p.rtt + PROBE_SLACK_MS)), MIN_PROBE_MS);
  return p.asked > p.heard && now >= p.asked + wait;
}

/** The newest of two times at which something was due that a PING may be sent for now. */
export function laterDue(due: number, at: number, now: number): number {
  return at > due && at + PROBE_AFTER_MS <= now ? at : due;
}
