/** The configuration of hls.js for Starling's low-latency streams. Each value that differs from the default says why. */
import type { HlsConfig, RetryConfig } from 'hls.js';
import { gatedAbr } from './climb-gate';
import type { FragmentLoader } from './fragment-loader';
import type { PlaylistLoader } from './playlist-loader';

/** What the player decides. */
export interface ConfigOptions {
  readonly loader: FragmentLoader;
  /** Default: hls.js's own. */
  readonly playlistLoader?: PlaylistLoader | undefined;
  /** First guess of the viewer's bandwidth, bit/s. */
  readonly bandwidth: number;
  /** Distance from the live edge that the page asks for, in seconds. Default: the session says, from the playlist. */
  readonly latency?: number | undefined;
  /** Whether a higher rung may begin now (climb-gate.ts). Default: always. */
  readonly mayClimb?: (() => boolean) | undefined;
  /** URL of hls.js's worker script, or undefined to demux on the page's thread. */
  readonly workerUrl?: string | undefined;
  /** Log to the console. */
  readonly debug?: boolean;
}

/** The share of dropped frames that caps the rung. */
export const droppedShare = 0.35;

/** A retry policy that starts at once: a part is late after a third of a second, not after one. */
function quick(firstByteMs: number, loadMs: number, retries: number) {
  return {
    default: {
      maxTimeToFirstByteMs: firstByteMs,
      maxLoadTimeMs: loadMs,
      timeoutRetry: { maxNumRetry: retries, retryDelayMs: 0, maxRetryDelayMs: 0 },
      errorRetry: { maxNumRetry: retries, retryDelayMs: 150, maxRetryDelayMs: 2000, backoff: 'exponential' as const },
    },
  };
}

/**
 * Playlists are retried on 400 too: a player that was held up (a busy machine, a sleeping tab) asks for parts further
 * ahead than an edge may promise, and a moment later the same question is a fair one.
 */
const retryPlaylist: NonNullable<RetryConfig['shouldRetry']> = (retry, count, isTimeout, response, byDefault) =>
  byDefault || (!isTimeout && response?.code === 400 && count < (retry?.maxNumRetry ?? 0));

/** The policy for media playlists: a blocking reload is answered within a part, at worst after three target durations by 503. */
function playlistPolicy() {
  const policy = quick(8000, 12_000, 4);
  return { default: { ...policy.default, errorRetry: { ...policy.default.errorRetry, shouldRetry: retryPlaylist } } };
}

/** Builds the configuration. */
export function hlsConfig(options: ConfigOptions): Partial<HlsConfig> {
  return {
    debug: options.debug === true,
    fLoader: options.loader,
    ...(options.playlistLoader === undefined ? {} : { pLoader: options.playlistLoader as unknown as NonNullable<HlsConfig['pLoader']> }),
    ...(options.mayClimb === undefined ? {} : { abrController: gatedAbr(options.mayClimb) }),
    lowLatencyMode: true,
    // Playback starts there, as far as the playlist reaches back. Not left to the first playlist: any playlist must do.
    ...(options.latency === undefined ? {} : { liveSyncDuration: options.latency }),
    // CMAF passes through hls.js untouched: a worker would only add two copies and a hop to each part.
    enableWorker: options.workerUrl !== undefined,
    workerPath: options.workerUrl ?? null,
    // The latency keeper sets the speed and the distance; hls.js must do neither.
    maxLiveSyncPlaybackRate: 1,
    liveSyncOnStallIncrease: 0,
    // Start at the rung that the guess allows instead of loading a segment of the lowest rung as a test.
    testBandwidth: false,
    abrEwmaDefaultEstimate: options.bandwidth,
    abrEwmaDefaultEstimateMax: 20e6,
    // Each change of rung changes what the swarm brings: not more often than the overlay can follow.
    abrSwitchInterval: 2,
    abrEwmaFastLive: 2,
    abrEwmaSlowLive: 8,
    // Pictures that the player's window or the machine cannot show are not worth their bytes.
    capLevelToPlayerSize: true,
    capLevelOnFPSDrop: true,
    fpsDroppedMonitoringPeriod: 8000,
    fpsDroppedMonitoringThreshold: droppedShare,
    // Parts are a third of a second and cut exactly; a tolerance of 0.25 s would skip or repeat one.
    maxFragLookUpTolerance: 0.05,
    // Half of the smallest part hides rounding of timestamps, not missing media.
    maxBufferHole: 0.1,
    // The session trims the back buffer itself, now and then (hls-session.ts).
    backBufferLength: Infinity,
    maxBufferLength: 20,
    maxMaxBufferLength: 30,
    liveDurationInfinity: true,
    // Report a stall early: the keeper's answer depends on it.
    detectStallWithCurrentTimeMs: 600,
    highBufferWatchdogPeriod: 1,
    nudgeMaxRetry: 6,
    // The first playlist is not retried here: a stream that is not live is polled with a message (playback.ts).
    manifestLoadPolicy: {
      default: { maxTimeToFirstByteMs: 5000, maxLoadTimeMs: 10_000, timeoutRetry: null, errorRetry: null },
    },
    playlistLoadPolicy: playlistPolicy(),
    fragLoadPolicy: quick(5000, 20_000, 5),
    // No captions, ad breaks or protection in these streams.
    enableInterstitialPlayback: false,
    enableDateRangeMetadataCues: false,
    enableEmsgMetadataCues: false,
    enableID3MetadataCues: false,
    enableWebVTT: false,
    enableIMSC1: false,
    enableCEA708Captions: false,
    emeEnabled: false,
  };
}
