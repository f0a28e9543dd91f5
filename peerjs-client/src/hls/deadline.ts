/** When a part is needed: the latest moment at which its bytes must be in hand. */

/** What the media element and the playlist say at the moment of asking. Seconds unless named otherwise. */
export interface PlaybackPosition {
  readonly currentTime: number;
  readonly playbackRate: number;
  /** End of the buffered range at the playhead, or undefined when nothing is buffered there. */
  readonly bufferedEnd: number | undefined;
  /** True before the first picture was shown. */
  readonly isStarting: boolean;
  /** Start of the wanted media on the player's timeline. */
  readonly mediaStart: number;
}

/**
 * Time kept for what follows the last byte: verification, demuxing, appending and the decoder's own lead (Chromium
 * reports a stall when less than about 0.1 s of decoded media is ahead).
 */
export const safetyMs = 180;

/**
 * The deadline in `performance.now()` milliseconds. Never before `now`: a deadline of `now` means "only what you hold".
 * While playback starts there is nothing to wait on: the swarm must not delay the first picture.
 */
export function partDeadline(now: number, position: PlaybackPosition): number {
  if (position.isStarting || position.bufferedEnd === undefined) return now;
  const ahead = Math.max(position.mediaStart, position.currentTime) - position.currentTime;
  const rate = Math.max(position.playbackRate, 0.1);
  return Math.max(now, now + (ahead * 1000) / rate - safetyMs);
}
