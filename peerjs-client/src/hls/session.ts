/** One playback of a live stream on a media element, by hls.js or by the browser itself. */
import type { PlaybackFault } from './error-policy';
import type { LoadedBytes } from './fragment-loader';

/** One rung of the ladder. */
export interface Rung {
  /** Track name, such as `v720`. */
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly frameRate: number;
  /** bit/s. */
  readonly bitrate: number;
}

/** What happens during a session. */
export interface SessionEvents {
  /** The ladder is known. */
  onRungs(rungs: readonly Rung[]): void;
  /** Another rung is on the screen. */
  onRung(rung: Rung | undefined): void;
  /** The publisher ended the stream, and all of it was played. */
  onEnded(): void;
  onFault(fault: PlaybackFault, message: string): void;
}

/** The player's view of a session. */
export interface Session {
  readonly rungs: readonly Rung[];
  /** The rung on the screen. */
  readonly rung: Rung | undefined;
  /** Name of the rung fixed by the viewer, or undefined for automatic. */
  readonly fixedRung: string | undefined;
  fixRung(name: string | undefined): void;
  /** Seconds from the capture of the picture on the screen to now, by the stream's clock; undefined while unknown. */
  readonly latency: number | undefined;
  /** Seconds of distance aimed at from the live edge. */
  readonly targetLatency: number | undefined;
  /** Estimated bandwidth, bit/s. */
  readonly bandwidth: number | undefined;
  /** Media bytes by source since the session began. */
  readonly bytes: LoadedBytes;
  /** Playlists that the viewer wrote itself from pushed headers, and those that the edge sent. */
  readonly playlists: { readonly written: number; readonly loaded: number };
  /** Back to the live edge. */
  goLive(): void;
  noteStall(ms: number): void;
  /** Called a few times a second. */
  tick(): void;
  /** Carries out a remedy that keeps the session: detach and attach the decoder, or load again. */
  recover(how: 'recover-media' | 'restart-load'): void;
  destroy(): void;
}
