// The site on which players run, ours as a site embeds it: one page a player, bundled here.
import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';
import { otherSite } from '../../../peerjs-client/e2e/lib/site.mjs';

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

// p2p-media-loader is taken as its makers bundle it for browsers: that needs no replacements for Node.js modules.
const alias = Object.fromEntries(['p2p-media-loader-core', 'p2p-media-loader-hlsjs'].map((name) => [name, here(`node_modules/${name}/dist/${name}.es.min.js`)]));

async function bundle(entry) {
  const result = await build({ entryPoints: [here(`page/${entry}.js`)], bundle: true, minify: true, format: 'iife', platform: 'browser', target: 'chrome120', alias, write: false, logLevel: 'error' });
  return result.outputFiles[0].text;
}

const html = (script, element) => `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>${script}</title><body>${element}<script src="/${script}.js"></script>`;

/** The players, and what their page holds beside its script. All show their picture at the same size. */
const elements = { ours: '', hls: '<video muted autoplay playsinline style="width:640px"></video>', p2pml: '<video muted autoplay playsinline style="width:640px"></video>' };

/** Bundles and serves the pages. `address(player, options)` is the page with what it is to do. */
export async function startPages() {
  const files = {};
  for (const [player, element] of Object.entries(elements)) {
    files[`/${player}.html`] = ['text/html', html(player, element)];
    files[`/${player}.js`] = ['text/javascript', await bundle(player)];
  }
  await stop();
  const site = await otherSite(files);
  return { address: (player, options) => `${site.url}${player}.html#${encodeURIComponent(JSON.stringify(options))}`, close: site.close };
}
