/**
 * Playback by the browser's own HLS, where Media Source Extensions are missing (iPhone before iOS 17.1). No swarm; the
 * element follows the playlist's own hold-back.
 */
import type { LoadedBytes } from './fragment-loader';
import type { Rung, Session, SessionEvents } from './session';

/** Whether the element can play HLS by itself. */
export function canPlayNatively(video: HTMLVideoElement): boolean {
  return video.canPlayType('application/vnd.apple.mpegurl') !== '';
}

/** Safari's clock of the stream (EXT-X-PROGRAM-DATE-TIME), not in the DOM types. */
type WithStartDate = HTMLVideoElement & { getStartDate?: () => Date };

const noBytes: LoadedBytes = { peer: 0, feed: 0, edge: 0 };
/** Distance from the end of the seekable range at which Safari starts a low-latency stream. */
const liveOffset = 1.5;

/** A session without hls.js. */
export class NativeSession implements Session {
  readonly rungs: readonly Rung[] = [];
  readonly rung = undefined;
  readonly fixedRung = undefined;
  readonly targetLatency = undefined;
  readonly bandwidth = undefined;
  readonly bytes = noBytes;
  /** The browser loads its playlists unseen. */
  readonly playlists = { written: 0, loaded: 0 };
  readonly #video: WithStartDate;
  readonly #listening = new AbortController();

  constructor(video: HTMLVideoElement, playlistUrl: string, events: SessionEvents) {
    this.#video = video;
    const { signal } = this.#listening;
    video.addEventListener('ended', () => events.onEnded(), { signal });
    video.addEventListener('error', () => {
      const isNetwork = video.error?.code === MediaError.MEDIA_ERR_NETWORK || video.error?.code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED;
      const fault = { type: isNetwork ? 'networkError' : 'mediaError', details: isNetwork ? 'manifestLoadError' : 'nativeError', isFatal: true, status: undefined };
      events.onFault(fault, video.error?.message ?? 'The browser could not play the stream.');
    }, { signal });
    video.src = playlistUrl;
  }

  get latency(): number | undefined {
    const start = this.#video.getStartDate?.().getTime() ?? Number.NaN;
    return Number.isFinite(start) ? (Date.now() - start) / 1000 - this.#video.currentTime : undefined;
  }

  fixRung(): void {
    // The browser chooses; the menu is not shown.
  }

  goLive(): void {
    const { seekable } = this.#video;
    if (seekable.length > 0) this.#video.currentTime = Math.max(seekable.end(seekable.length - 1) - liveOffset, 0);
  }

  noteStall(): void {
    // Nothing to tune.
  }

  tick(): void {
    // Nothing to keep.
  }

  recover(): void {
    this.#video.load();
  }

  destroy(): void {
    this.#listening.abort();
    this.#video.removeAttribute('src');
    this.#video.load();
  }
}
