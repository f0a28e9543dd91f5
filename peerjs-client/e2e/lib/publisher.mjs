// A broadcaster: the clock picture and a tone, encoded by ffmpeg, published over RTMP.
import { fileURLToPath } from 'node:url';
import { spawn } from 'node:child_process';
import { start } from './process.mjs';

const clockSource = fileURLToPath(new URL('./clock-source.mjs', import.meta.url));

const frameRate = 30;

/** Publishes to `url` until stopped, with a key frame every `keyFrameSeconds`. */
export function publish(url, { bitrate = 1_500_000, keyFrameSeconds = 2 } = {}) {
  const keyFrames = String(Math.round(frameRate * keyFrameSeconds));
  const pictures = spawn(process.execPath, [clockSource], { stdio: ['ignore', 'pipe', 'inherit'] });
  const encoder = start('publisher', 'ffmpeg', [
    '-hide_banner', '-loglevel', 'warning', '-nostats',
    '-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-video_size', '640x360', '-framerate', String(frameRate), '-i', 'pipe:0',
    '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000',
    '-map', '0:v', '-map', '1:a', '-shortest',
    '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-pix_fmt', 'yuv420p', '-profile:v', 'main',
    '-g', keyFrames, '-keyint_min', keyFrames, '-sc_threshold', '0',
    '-b:v', String(bitrate), '-maxrate', String(bitrate), '-bufsize', String(bitrate / 2),
    '-c:a', 'aac', '-b:a', '96k', '-flush_packets', '1', '-f', 'flv', url,
  ], { stdio: ['pipe', 'pipe', 'pipe'] });
  pictures.stdout.pipe(encoder.child.stdin);
  encoder.child.stdin.on('error', () => pictures.kill());
  return {
    ...encoder,
    async stop() {
      pictures.kill();
      return encoder.stop(3000);
    },
    /** Dies without a goodbye, as on a power cut. */
    async crash() {
      encoder.kill('SIGKILL');
      pictures.kill('SIGKILL');
      await encoder.exited;
    },
  };
}
