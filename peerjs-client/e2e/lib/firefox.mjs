// A viewer in Debian's Firefox, driven over WebDriver BiDi.
import puppeteer from 'puppeteer-core';
import { probeScript } from './probe.mjs';

export async function launchFirefox() {
  return puppeteer.launch({
    browser: 'firefox',
    executablePath: '/usr/bin/firefox-esr',
    headless: true,
    extraPrefsFirefox: {
      'media.autoplay.default': 0,
      'media.autoplay.blocking_policy': 0,
      // All peers of the test are on one machine.
      'media.peerconnection.ice.loopback': true,
      'media.peerconnection.ice.obfuscate_host_addresses': false,
      'media.volume_scale': '0.0',
      'privacy.reduceTimerPrecision': false,
    },
  });
}

/** Opens a viewer with the interface of chromium.mjs; `network` is undefined: BiDi's events carry no sizes, so the page's own are read. */
export async function openFirefoxViewer(browser, url, { name, scripts = [] }) {
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  for (const content of [...scripts, probeScript()]) await page.evaluateOnNewDocument(content);
  await page.goto(url);
  return { name, page, errors, network: undefined, evaluate: (fn, arg) => page.evaluate(fn, arg), close: () => page.close() };
}
