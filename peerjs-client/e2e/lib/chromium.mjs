// Viewers in Debian's Chromium: one browser, a context each (pages of one
// context would share the HTTP cache and hide edge traffic).
import { chromium } from 'playwright-core';
import { probeScript } from './probe.mjs';

const flags = [
  '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--autoplay-policy=no-user-gesture-required', '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding', '--disable-dev-shm-usage', '--mute-audio',
];

/** `options` are further ones of playwright's launch. */
export async function launchChromium(options = {}) {
  return chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: flags, ...options });
}

/** Opens a viewer. `scripts` run in the page before its own; `mediaChannel` as in probe.mjs. */
export async function openViewer(browser, url, { name, scripts = [], mediaChannel }) {
  const context = await browser.newContext({ viewport: { width: 960, height: 640 }, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  const session = await context.newCDPSession(page);
  const network = await countMedia(session);
  for (const content of [...scripts, probeScript({ mediaChannel })]) await page.addInitScript({ content });
  await page.goto(url);
  return {
    name,
    page,
    session,
    errors,
    network,
    evaluate: (fn, arg) => page.evaluate(fn, arg),
    close: () => context.close(),
  };
}

// Ours and other servers' names for parts and segments.
const media = /\.(?:m4s|mp4)$/;

/** Counts media bytes by the browser's own network events: HTTP bodies of parts and segments, and feed messages. */
async function countMedia(session) {
  const counts = { http: 0, feed: 0, playlists: 0, requests: 0 };
  const open = new Map();
  const sockets = new Map();
  await session.send('Network.enable');
  session.on('Network.requestWillBeSent', ({ requestId, request }) => open.set(requestId, { url: request.url, received: 0 }));
  session.on('Network.dataReceived', ({ requestId, encodedDataLength, dataLength }) => {
    const request = open.get(requestId);
    if (request !== undefined) request.received += encodedDataLength || dataLength;
  });
  const close = (requestId, bytes) => {
    const path = (open.get(requestId)?.url ?? '').split('?')[0];
    open.delete(requestId);
    counts.requests++;
    if (media.test(path)) counts.http += bytes;
    else if (path.endsWith('.m3u8')) counts.playlists += bytes;
  };
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => close(requestId, encodedDataLength));
  // What an aborted request had received left the edge, too.
  session.on('Network.loadingFailed', ({ requestId }) => close(requestId, open.get(requestId)?.received ?? 0));
  session.on('Network.webSocketCreated', ({ requestId, url }) => sockets.set(requestId, url));
  session.on('Network.webSocketFrameReceived', ({ requestId, response }) => {
    if ((sockets.get(requestId) ?? '').includes('/feed/') && response.opcode === 2) counts.feed += Math.floor((response.payloadData.length * 3) / 4);
  });
  return counts;
}
