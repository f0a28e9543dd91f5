/** What to do about an error of hls.js: a table, apart from the player that carries it out. */
import { ErrorDetails, ErrorTypes } from 'hls.js';

/** The fields of an hls.js error that matter. */
export interface PlaybackFault {
  readonly type: string;
  readonly details: string;
  readonly isFatal: boolean;
  /** HTTP status, when there was an answer. */
  readonly status: number | undefined;
}

/**
 * - `ignore`: hls.js goes on by itself
 * - `stall`: the playhead stood still
 * - `wait`: the stream is not there; poll until it is
 * - `restart-load`: ask hls.js to load again
 * - `recover-media`: detach and attach the decoder
 * - `reload`: start over with a new hls.js
 * - `give-up`: tell the viewer
 */
export type Remedy = 'ignore' | 'stall' | 'wait' | 'restart-load' | 'recover-media' | 'reload' | 'give-up';

/** What was tried lately. */
export interface Attempts {
  /** Media recoveries within the last ten seconds. */
  readonly media: number;
  /** Network restarts without a second of playback since. */
  readonly network: number;
  /** Reloads without a second of playback since. */
  readonly reloads: number;
}

const maxMediaRecoveries = 2;
const maxNetworkRestarts = 3;
const maxReloads = 6;

/** A stream that never was or is not any more answers so. */
function isGone(status: number | undefined): boolean {
  return status === 404 || status === 410;
}

/** Chooses the remedy. */
export function remedy(fault: PlaybackFault, attempts: Attempts): Remedy {
  if (fault.details === ErrorDetails.BUFFER_STALLED_ERROR) return 'stall';
  if (!fault.isFatal) return 'ignore';
  const isPlaylist = fault.details === ErrorDetails.MANIFEST_LOAD_ERROR || fault.details === ErrorDetails.MANIFEST_LOAD_TIMEOUT
    || fault.details === ErrorDetails.LEVEL_LOAD_ERROR || fault.details === ErrorDetails.AUDIO_TRACK_LOAD_ERROR
    || fault.details === ErrorDetails.MANIFEST_PARSING_ERROR || fault.details === ErrorDetails.LEVEL_EMPTY_ERROR;
  if (isPlaylist && (isGone(fault.status) || fault.details.startsWith('manifest'))) return 'wait';
  if (fault.details === ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) return 'give-up';
  if (fault.type === ErrorTypes.MEDIA_ERROR && attempts.media < maxMediaRecoveries) return 'recover-media';
  if (fault.type === ErrorTypes.NETWORK_ERROR && attempts.network < maxNetworkRestarts) return 'restart-load';
  return attempts.reloads < maxReloads ? 'reload' : 'give-up';
}
