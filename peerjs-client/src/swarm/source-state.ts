import type { PartEntry } from './part-entry.js';
import { NEXT_PART, type PartId } from './part-id.js';
import type { Trust } from './reputation.js';
import type { Retreat, Strain } from './strain.js';

/** A neighbour that is not used for a slice. */
export interface Avoided {
  readonly until: number;
  /** When it was left as mute; 0 otherwise. */
  readonly leftAt: number;
}

/** Where one slice comes from. */
export interface Source {
  parent: string;
  backup: string;
  /** Who pushes the slice now; empty: nobody. */
  id: string;
  from: PartId;
  movedAt: number;
  /** When it took over from a source that was lost, until it pushes something; 0: not so. */
  hastyAt: number;
  /** Still pushes the parts before `from`, during a planned handover. */
  old: string;
  /** Usual delay behind the first chunk of a part. */
  lag: number;
  missed: number;
  /** It had announced one of the parts that it missed. */
  hasWithheld: boolean;
  /** Something of it was pushed, by whomever. */
  isBegun: boolean;
  /** Newest part of which the source pushed something, and when that began. */
  lastPushed: PartId | undefined;
  pushedAt: number;
  /** Parts that the source sent badly, as {@link damaged} counts. */
  damage: number;
  /** Share of parts late, in millionths. */
  late: number;
  /** The slice was given up to the edge. */
  isResigned: boolean;
  /** Who was silent or refused, and until when it is not used. */
  readonly avoid: Map<string, Avoided>;
}

/** What the policy must know of the world. */
export interface SourceWorld {
  readonly strain: Strain;
  readonly retreat: Retreat;
  /** Whether the neighbour, or `edge` (the feed), could push now. */
  usable(id: string): boolean;
  trust(id: string): Trust;
  /** Round trip to a neighbour in ms; 0: not known. */
  roundTrip(id: string): number;
  /** The source was left too often: the tracker should know. */
  onSlow(id: string): void;
  /** Tells a source not to push chunks. */
  cancel(id: string, entry: PartEntry, first: number, count: number): void;
  /** Whether the neighbour announced the whole part. */
  hasAnnounced(id: string, entry: PartEntry): boolean;
  /** Children that slice `s` of the track is passed on to. */
  children(track: number, s: number): number;
}

/** A slice that nobody pushes yet. */
export function noSource(): Source {
  return {
    parent: '', backup: '', id: '', from: NEXT_PART, movedAt: 0, hastyAt: 0, old: '', lag: 0, missed: 0, hasWithheld: false, isBegun: false,
    lastPushed: undefined, pushedAt: 0, damage: 0, late: 0, isResigned: false, avoid: new Map(),
  };
}
