import { EDGE_ID, NO_HEADERS } from '../wire/peer-frames.js';
import { headerSource, type Headed } from './header-source.js';

/** Headers that came late, in a row, before they are asked of another source. */
const MAX_MISSES = 2;

/** Who sends the headers of one track, and which sources were told to leave them out (docs/repair.md, rule 17). */
export class HeaderElection {
  /** Empty: every source. */
  private current = '';
  private misses = 0;
  private readonly headerless = new Map<string, boolean>();

  /** The SUBSCRIBE flags for a source; noted as told to it. */
  flagsFor(id: string): number {
    if (id === EDGE_ID) return 0;
    const isWithout = this.current !== '' && this.current !== id;
    this.headerless.set(id, isWithout);
    return isWithout ? NO_HEADERS : 0;
  }

  /** A header came from `from`; `isLate`: it had to be asked for. */
  headed(from: string, isLate: boolean): void {
    if (from === this.current) this.misses = 0;
    else if (isLate && this.current !== '' && this.current !== EDGE_ID) this.misses++;
  }

  /** The neighbour is gone. */
  gone(id: string): void {
    this.headerless.delete(id);
  }

  /** Chooses anew. @returns the slices whose sources are to be told. */
  elect(slices: readonly Headed[]): readonly number[] {
    let not = '';
    if (this.misses >= MAX_MISSES) {
      not = this.current;
      this.misses = 0;
    }
    this.current = headerSource(slices, this.current, not);
    return slices.flatMap(({ source }, s) => {
      const told = this.headerless.get(source);
      return told !== undefined && told !== (source !== this.current) ? [s] : [];
    });
  }
}
