// Writes raw 640x360 yuv420p pictures with a burned-in clock to standard
// output, 30 a second in real time, until the pipe closes. The moving noise
// makes the encoder spend its bitrate as a real picture would.
import { once } from 'node:events';
import { drawClock, height, width, cell } from './clock.mjs';

const frameRate = 30;
const lumaSize = width * height;
const frame = Buffer.alloc((lumaSize * 3) / 2, 128);
const noise = Buffer.alloc(lumaSize * 2);
let seed = 1;
for (let i = 0; i < noise.length; i++) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  noise[i] = 64 + (seed >>> 25);
}

function draw(n) {
  const top = 2 * cell;
  frame.fill(90, top * width, lumaSize);
  for (let y = top + 40; y < height - 40; y++) {
    const from = ((y * 131 + n * 7919) % (noise.length - width)) | 0;
    noise.copy(frame, y * width + 160, from, from + 240);
  }
  const x = (n * 4) % (width - 40);
  for (let y = height - 36; y < height - 4; y++) frame.fill(230, y * width + x, y * width + x + 32);
  drawClock(frame, Date.now());
}

process.stdout.on('error', () => process.exit(0));
const start = performance.now();
for (let n = 0; ; n++) {
  const wait = start + (n * 1000) / frameRate - performance.now();
  if (wait > 0) await new Promise((done) => setTimeout(done, wait));
  draw(n);
  if (!process.stdout.write(Buffer.from(frame))) await once(process.stdout, 'drain');
}
