// MediaMTX with the same picture, where mediamtx.sh has built it.
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { start, until } from '../../../peerjs-client/e2e/lib/process.mjs';
import { publish } from '../../../peerjs-client/e2e/lib/publisher.mjs';
import { freePort } from '../../../peerjs-client/e2e/lib/server.mjs';

const binary = process.env.MEDIAMTX_BIN ?? fileURLToPath(new URL('../../../bin/mediamtx', import.meta.url));

export const hasMediamtx = () => existsSync(binary);

/** Starts it and a broadcast; low-latency HLS, all else off. The result is like startBroadcast's. */
export async function startMediamtx({ partMs, segmentSeconds, bitrate }) {
  if (!hasMediamtx()) throw new Error(`${binary} is missing: run bench/browsers/mediamtx.sh first`);
  const dir = await mkdtemp(join(tmpdir(), 'starling-mediamtx-'));
  const [rtmp, hls] = [await freePort(), await freePort()];
  const off = ['rtsp', 'webrtc', 'srt', 'moq', 'api', 'metrics', 'pprof', 'playback'].map((name) => `${name}: no`).join('\n');
  const file = join(dir, 'mediamtx.yml');
  await writeFile(file, `
${off}
rtmp: yes
rtmpAddress: 127.0.0.1:${rtmp}
hls: yes
hlsAddress: 127.0.0.1:${hls}
hlsAlwaysRemux: yes
hlsVariant: lowLatency
hlsSegmentDuration: ${segmentSeconds}s
hlsPartDuration: ${partMs}ms
paths: {all_others: }
`);
  const server = start('mediamtx', binary, [file]);
  let publisher;
  const stop = async () => {
    await publisher?.stop();
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  };
  const streamUrl = `http://127.0.0.1:${hls}/live/test`;
  try {
    await until('MediaMTX to listen', () => server.output().includes(`:${hls}`));
    publisher = publish(`rtmp://127.0.0.1:${rtmp}/live/test`, { bitrate, keyFrameSeconds: segmentSeconds });
    await until('its broadcast to be live', async () => (await fetch(`${streamUrl}/index.m3u8`)).ok, 20_000);
  } catch (error) {
    const message = `${error.message}\n${server.output()}\n${publisher?.output() ?? ''}`;
    await stop();
    throw new Error(message);
  }
  return { streamUrl, stop };
}
