// Viewers that come and go in one page: the client's engine without a player,
// which joins the swarm, takes what it is given, and leaves.
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

const engine = fileURLToPath(new URL('../../src/swarm/engine.ts', import.meta.url));

/** Opens a page of the server with the engine in it, as `window.visit(baseUrl, stream, tracks, how)`. */
export async function openPassingViewers(browser, { http, streamUrl, stream }) {
  const { outputFiles } = await build({ entryPoints: [engine], bundle: true, write: false, format: 'iife', globalName: 'Passing', target: 'es2022', logLevel: 'warning' });
  // The site's policy forbids scripts from elsewhere, as this one is.
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(`${http}/`);
  await page.addScriptTag({ content: outputFiles[0].text });
  const { tracks } = await (await fetch(`${streamUrl}/catalog.json`)).json();
  const names = ['video', 'audio'].map((kind) => tracks.find((track) => track.kind === kind)?.name).filter(Boolean);
  return {
    page,
    errors,
    close: () => context.close(),
    /**
     * One viewer joins, waits until it is connected to `peers` others, and leaves: with a goodbye, or, `abruptly`,
     * by a page that takes its connections away. Gives whether it got as far as that within `timeoutMs`.
     */
    visit: ({ abruptly = false, peers = 1, timeoutMs = 10_000 } = {}) => page.evaluate(visit, { baseUrl: `${streamUrl}/`, stream, names, abruptly, peers, timeoutMs }),
  };
}

async function visit({ baseUrl, stream, names, abruptly, peers, timeoutMs }) {
  const made = [];
  const viewer = new globalThis.Passing.SwarmEngine({
    baseUrl,
    stream,
    createPeerConnection: (configuration) => {
      made.push(new RTCPeerConnection(configuration));
      return made.at(-1);
    },
  });
  viewer.start();
  viewer.setTracks(names);
  viewer.setBuffer(1);
  const end = performance.now() + timeoutMs;
  const isMet = () => viewer.stats().neighbours.filter((neighbour) => neighbour.state === 'ready').length >= peers;
  while (!isMet() && performance.now() < end) await new Promise((done) => setTimeout(done, 20));
  const met = isMet();
  if (abruptly) for (const connection of made) connection.close();
  viewer.close();
  return met;
}
