import { describe, expect, it, vi } from 'vitest';
import type { FragmentLoader } from './fragment-loader';
import { hlsConfig } from './hls-config';

const loader = vi.fn() as unknown as FragmentLoader;

describe('hlsConfig', () => {
  it('is accepted by hls.js', async () => {
    vi.stubGlobal('self', globalThis);
    const { default: Hls } = await import('hls.js');
    const hls = new Hls(hlsConfig({ loader, bandwidth: 3e6 }));
    expect(hls.config.fLoader).toBe(loader);
    expect(hls.bandwidthEstimate).toBe(3e6);
    // The target follows the playlist's hold-back only while the page's own settings leave it alone.
    expect(hls.userConfig.liveSyncDuration ?? hls.userConfig.liveSyncDurationCount).toBeUndefined();
    hls.destroy();
    const asked = new Hls(hlsConfig({ loader, bandwidth: 3e6, latency: 6 }));
    expect(asked.userConfig.liveSyncDuration).toBe(6);
    asked.destroy();
  });

  it('retries playlists that were asked for too early, a few times, and not those that are gone', () => {
    const retry = hlsConfig({ loader, bandwidth: 3e6 }).playlistLoadPolicy?.default.errorRetry;
    const again = (code: number, count: number, byDefault = false) => retry?.shouldRetry?.(retry, count, false, { url: '', code }, byDefault);
    expect(again(400, 0)).toBe(true);
    expect(again(400, 4)).toBe(false);
    expect(again(404, 0)).toBe(false);
    expect(again(503, 0, true)).toBe(true);
  });
});
