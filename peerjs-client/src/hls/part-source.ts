/**
 * What the fragment loader asks of the swarm, and a guard around it. The player must go on with plain HTTP whatever
 * the swarm does, so every call is fenced: a source that throws again and again is not asked any more.
 */

/** A part inside a track: media sequence number and index. */
export interface PartAddress {
  readonly msn: number;
  readonly index: number;
}

/** Verified bytes from the swarm and how they came. Times are `performance.now()` milliseconds. */
export interface SwarmResult {
  readonly data: Uint8Array;
  readonly source: 'peer' | 'feed' | 'edge' | 'mixed';
  readonly firstByte: number;
  readonly end: number;
  readonly bytes: { readonly peer: number; readonly feed: number; readonly edge: number };
}

/** How the player asks for a part. */
export interface PartOptions {
  readonly deadline: number;
  readonly signal?: AbortSignal;
  /** The engine itself asked the edge for what is missing: the answer may come up to {@link lateMs} after the deadline. */
  readonly onRequested?: () => void;
}

/** How a request of the player's own went, in milliseconds from its start. */
export interface RequestTiming {
  readonly firstByteMs: number;
  readonly totalMs: number;
}

/** How long after the deadline the answer may come once the edge was asked for it. */
export const lateMs = 1_000;

/** The part of the swarm engine that the loader uses. `SwarmEngine` satisfies it. */
export interface PartSource {
  loadPart(track: string, id: PartAddress, options: PartOptions): Promise<SwarmResult | undefined>;
  loadSegment(track: string, msn: number): SwarmResult | undefined;
  provide(track: string, id: PartAddress | { msn: number }, data: Uint8Array, timing?: RequestTiming): void;
}

/** Failures in a row after which the source is left alone. */
const maxFailures = 5;

/** Fences a {@link PartSource}: failures become "not available", and a broken source is switched off. */
export class GuardedSource implements PartSource {
  readonly #source: PartSource;
  readonly #onFailure: (error: unknown, off: boolean) => void;
  #failures = 0;

  /** @param onFailure told about every failure; `off` is true when the source will not be asked again. */
  constructor(source: PartSource, onFailure: (error: unknown, off: boolean) => void) {
    this.#source = source;
    this.#onFailure = onFailure;
  }

  /** False once the source failed too often. */
  get usable(): boolean {
    return this.#failures < maxFailures;
  }

  async loadPart(track: string, id: PartAddress, options: PartOptions): Promise<SwarmResult | undefined> {
    if (!this.usable) return undefined;
    try {
      const result = await this.#source.loadPart(track, id, options);
      this.#failures = 0;
      return result;
    } catch (error) {
      if (options.signal?.aborted !== true) this.#failed(error);
      return undefined;
    }
  }

  loadSegment(track: string, msn: number): SwarmResult | undefined {
    return this.#try(() => this.#source.loadSegment(track, msn));
  }

  provide(track: string, id: PartAddress | { msn: number }, data: Uint8Array, timing?: RequestTiming): void {
    this.#try(() => this.#source.provide(track, id, data, timing));
  }

  #try<T>(call: () => T): T | undefined {
    if (!this.usable) return undefined;
    try {
      return call();
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  #failed(error: unknown): void {
    this.#failures++;
    this.#onFailure(error, !this.usable);
  }
}
