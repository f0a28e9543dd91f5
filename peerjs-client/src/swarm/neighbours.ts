import type { SignalData, LostReason } from '../tracker/messages.js';
import { EDGE_ID, Reason } from '../wire/peer-frames.js';
import type { Link, LinkEnd } from './link.js';
import { PeerLink, type PeerLinkContext } from './peer-link.js';

/** A neighbour that the tracker no longer names is dropped after so long. */
const LINGER_MS = 2_000;
/** A viewer that could not be reached is not tried again for so long. */
const RETRY_MS = 10_000;
/** An offer may overtake the assignment that announces it by so long. */
const EARLY_OFFER_MS = 2_000;
const MAX_EARLY_OFFERS = 16;
/** Never more connections than that, whatever the tracker says. */
const MAX_LINKS = 50;

export interface NeighbourEvents {
  onLost(id: string, reason: LostReason): void;
  onEnd(link: Link, end: LinkEnd): void;
  onConnectFailure(): void;
}

/** What one assignment says about neighbours. */
export interface Pairing {
  /** Parents and backups: this viewer connects to them. */
  readonly wanted: ReadonlySet<string>;
  /** All paired viewers: only they may connect. */
  readonly peers: ReadonlySet<string>;
}

/** The connections to other viewers: opened for parents and backups, accepted from paired viewers only. */
export class Neighbours {
  private readonly links = new Map<string, PeerLink>();
  private readonly bans = new Set<string>();
  private readonly retryAt = new Map<string, number>();
  /** Neighbours no longer named, and since when. */
  private readonly lingering = new Map<string, number>();
  private early: { readonly from: string; readonly data: SignalData; readonly at: number }[] = [];
  private pairing: Pairing = { wanted: new Set(), peers: new Set() };

  /** @param context - of a new link; undefined while there can be none. Its onEnd must call {@link Neighbours.ended}. */
  constructor(private readonly context: () => PeerLinkContext | undefined, private readonly events: NeighbourEvents) {}

  get all(): readonly PeerLink[] {
    return [...this.links.values()];
  }

  get banned(): readonly string[] {
    return [...this.bans];
  }

  get(id: string): PeerLink | undefined {
    return this.links.get(id);
  }

  isUp(id: string): boolean {
    return this.links.get(id)?.isReady === true;
  }

  isBanned(id: string): boolean {
    return this.bans.has(id);
  }

  assign(pairing: Pairing, now: number): void {
    this.pairing = pairing;
    for (const id of this.links.keys()) {
      if (pairing.peers.has(id) || pairing.wanted.has(id)) this.lingering.delete(id);
      else if (!this.lingering.has(id)) this.lingering.set(id, now);
    }
    for (const id of pairing.wanted) this.connect(id, now);
    const early = this.early;
    this.early = [];
    for (const e of early) {
      if (now - e.at < EARLY_OFFER_MS) this.signal(e.from, e.data, now);
    }
  }

  signal(from: string, data: SignalData, now: number): void {
    if (this.bans.has(from)) return;
    if (!this.pairing.peers.has(from) && !this.pairing.wanted.has(from)) {
      if (this.early.length < MAX_EARLY_OFFERS) this.early.push({ from, data, at: now });
      return;
    }
    const link = this.links.get(from);
    if ('offer' in data) this.offered(from, data.offer, link);
    else if ('answer' in data) link?.accept(data.answer);
    else if ('candidate' in data) link?.candidate(data.candidate);
    else this.restart(from, link, now);
  }

  /** Drops the viewer and refuses it for the rest of the session. */
  ban(id: string, text: string): void {
    this.bans.add(id);
    this.drop(id, Reason.badData, text);
  }

  /** A link ended by itself. */
  ended(link: Link, end: LinkEnd, now: number): void {
    if (this.links.get(link.id) !== link) return;
    this.links.delete(link.id);
    this.lingering.delete(link.id);
    if (end.lost === 'connect-failed') this.events.onConnectFailure();
    if (end.lost !== undefined) {
      this.retryAt.set(link.id, now + RETRY_MS);
      this.events.onLost(link.id, end.lost);
    }
    this.events.onEnd(link, end);
  }

  tick(now: number): void {
    for (const link of this.all) link.tick(now);
    for (const [id, since] of this.lingering) {
      if (now - since >= LINGER_MS) this.drop(id, Reason.leaving, 'no longer paired');
    }
    for (const [id, at] of this.retryAt) {
      if (now >= at) this.retryAt.delete(id);
    }
    this.early = this.early.filter((e) => now - e.at < EARLY_OFFER_MS);
    for (const id of this.pairing.wanted) this.connect(id, now);
  }

  /** Closes every connection and forgets the pairing. */
  close(): void {
    this.pairing = { wanted: new Set(), peers: new Set() };
    for (const id of [...this.links.keys()]) this.drop(id, Reason.leaving, '');
    this.early = [];
    this.retryAt.clear();
  }

  private connect(id: string, now: number): void {
    if (id === EDGE_ID || this.links.has(id) || this.bans.has(id) || now < (this.retryAt.get(id) ?? 0)) return;
    const link = this.open(id, true);
    if (link === undefined) this.retryAt.set(id, now + RETRY_MS);
    else link.offer();
  }

  private offered(from: string, offer: string, link: PeerLink | undefined): void {
    if (link !== undefined) {
      const self = this.context()?.selfId ?? '';
      // Glare: the offer of the smaller id stands.
      if (link.isOfferer && link.state === 'connecting' && self < from) return;
      this.discard(link);
    }
    this.open(from, false)?.answer(offer);
  }

  private restart(from: string, link: PeerLink | undefined, now: number): void {
    if (!this.pairing.wanted.has(from)) return;
    if (link !== undefined) this.discard(link);
    this.retryAt.delete(from);
    this.connect(from, now);
  }

  private open(id: string, isOfferer: boolean): PeerLink | undefined {
    const context = this.links.size < MAX_LINKS ? this.context() : undefined;
    if (context === undefined) return undefined;
    try {
      const link = new PeerLink(id, isOfferer, context);
      this.links.set(id, link);
      return link;
    } catch {
      this.events.onConnectFailure(); // the browser's own limit of connections
      return undefined;
    }
  }

  /** Takes a link away to make place for a new one to the same viewer. */
  private discard(link: PeerLink): void {
    const wasReady = link.isReady;
    this.links.delete(link.id);
    link.close(Reason.none, 'replaced');
    if (wasReady) this.events.onEnd(link, { lost: undefined, why: 'replaced' });
  }

  private drop(id: string, reason: number, text: string): void {
    this.lingering.delete(id);
    const link = this.links.get(id);
    if (link === undefined) return;
    this.links.delete(id);
    link.close(reason, text);
    this.events.onEnd(link, { lost: undefined, why: text });
  }
}
