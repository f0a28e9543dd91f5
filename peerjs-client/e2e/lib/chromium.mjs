// Viewers in Debian's Chromium: one browser, a context each (pages of one
// context would share the HTTP cache and hide edge traffic).
import { chromium } from 'playwright-core';
import { probeScript } from './probe.mjs';

const flags = [
  '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--autoplay-policy=no-user-gesture-required', '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding', '--disable-dev-shm-usage', '--mute-audio',
];

export async function launchChromium() {
  return chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: flags });
}

/** Opens a viewer. `scripts` run in the page before its own; `media(url)` says whether a response carries media. */
export async function openViewer(browser, url, { name, scripts = [] }) {
  const context = await browser.newContext({ viewport: { width: 960, height: 640 }, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  const network = await countMedia(context, page);
  for (const content of [...scripts, probeScript()]) await page.addInitScript({ content });
  await page.goto(url);
  return {
    name,
    page,
    errors,
    network,
    evaluate: (fn, arg) => page.evaluate(fn, arg),
    close: () => context.close(),
  };
}

/** Counts media bytes by the browser's own network events: HTTP bodies of parts and segments, and feed messages. */
async function countMedia(context, page) {
  const counts = { http: 0, feed: 0, playlists: 0, requests: 0 };
  const urls = new Map();
  const sockets = new Map();
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  session.on('Network.requestWillBeSent', ({ requestId, request }) => urls.set(requestId, request.url));
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const path = (urls.get(requestId) ?? '').split('?')[0];
    urls.delete(requestId);
    counts.requests++;
    if (path.endsWith('.m4s')) counts.http += encodedDataLength;
    else if (path.endsWith('.m3u8')) counts.playlists += encodedDataLength;
  });
  session.on('Network.loadingFailed', ({ requestId }) => urls.delete(requestId));
  session.on('Network.webSocketCreated', ({ requestId, url }) => sockets.set(requestId, url));
  session.on('Network.webSocketFrameReceived', ({ requestId, response }) => {
    if ((sockets.get(requestId) ?? '').includes('/feed/') && response.opcode === 2) counts.feed += Math.floor((response.payloadData.length * 3) / 4);
  });
  return counts;
}
