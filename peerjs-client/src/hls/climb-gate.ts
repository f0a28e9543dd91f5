/**
 * When a higher rung may begin. hls.js begins a rung with the first part of the segment under way, since only that can be
 * decoded by itself: in the middle of a segment it loads again, at a higher bitrate, what is buffered already, and nothing
 * new until that is there. A buffer of half a second does not last so long. At the end of a segment the next part is the
 * first of one, and nothing is loaded twice.
 */
import Hls, { type ComponentAPI, type HlsConfig } from 'hls.js';

/** What is read of hls.js's `Part`. */
export interface GatePart {
  readonly fragment: { readonly sn: number };
  readonly index: number;
}

/** What is read of hls.js's `LevelDetails`. */
export interface GatePlaylist {
  /** null: the playlist has no parts. */
  readonly partList: readonly GatePart[] | null;
  /** The segment that is not complete. */
  readonly fragmentHint?: { readonly sn: number } | undefined;
  /** Seconds. */
  readonly targetduration: number;
}

/** One a playback. Pure. */
export class ClimbGate {
  #latest: GatePart | undefined;

  /** A part of the picture was loaded; null: a whole segment. */
  note(part: GatePart | null): void {
    this.#latest = part ?? undefined;
  }

  /** @param ahead seconds buffered: with more than two segments nothing runs dry meanwhile. */
  mayClimb(playlist: GatePlaylist | undefined, ahead: number): boolean {
    const latest = this.#latest;
    if (latest === undefined || !playlist?.partList || ahead > 2 * playlist.targetduration) return true;
    const { sn } = latest.fragment;
    if (playlist.fragmentHint?.sn === sn) return false;
    return !playlist.partList.some((part) => part.fragment.sn === sn && part.index > latest.index);
  }
}

type AbrController = HlsConfig['abrController'];

/** hls.js's choice of rungs, with climbs put off until `mayClimb`. Going down is never put off. */
export function gatedAbr(mayClimb: () => boolean): AbrController {
  const Abr = Hls.DefaultConfig.abrController;
  return class extends Abr implements ComponentAPI {
    override get nextAutoLevel(): number {
      const next = super.nextAutoLevel;
      const { loadLevel } = this.hls;
      return loadLevel >= 0 && next > loadLevel && !mayClimb() ? loadLevel : next;
    }

    override set nextAutoLevel(level: number) {
      super.nextAutoLevel = level;
    }
  };
}
