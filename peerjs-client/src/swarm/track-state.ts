import type { CatalogTrack } from './catalog.js';
import { SourcePolicy } from './source-policy.js';
import type { SourceWorld } from './source-state.js';
import { TrackParts } from './track-parts.js';

/** A wanted track waits so long for an assignment before it takes the feed. */
const GRACE_MS = 300;
/** A track that is left goes on so long for its children, until the tracker has moved them. */
const LEAVE_MS = 3_000;

/** A track that is wanted, or was until lately. */
export class TrackState {
  readonly parts: TrackParts;
  readonly sources: SourcePolicy;
  /** When the player left the track; undefined while it wants it. */
  private leftAt: number | undefined;
  private isEnded = false;

  constructor(readonly info: CatalogTrack, world: SourceWorld, now: number) {
    this.parts = new TrackParts(info);
    this.sources = new SourcePolicy(this.parts, world, now + GRACE_MS);
  }

  get isWanted(): boolean {
    return this.leftAt === undefined;
  }

  /** Whether slices are subscribed to. */
  get isActive(): boolean {
    return !this.isEnded;
  }

  want(): void {
    this.leftAt = undefined;
    this.isEnded = false;
  }

  /** The player wants it no more; `isAtOnce` when no tracker could move the children. */
  leave(now: number, isAtOnce: boolean): void {
    this.leftAt ??= now;
    if (isAtOnce) this.end();
  }

  /** The tracker's assignment no longer has the track, which matters if it was left. */
  unassigned(): void {
    if (!this.isWanted) this.end();
  }

  tick(now: number): void {
    if (this.leftAt !== undefined && now - this.leftAt >= LEAVE_MS) this.end();
    if (!this.isEnded) this.sources.reconsider(now);
  }

  private end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.sources.end();
  }
}
