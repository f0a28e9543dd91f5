// The site on which other players run: one page a player, bundled here.
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

const html = (script) => `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>${script}</title><video muted autoplay playsinline style="width:640px"></video><script src="/${script}.js"></script>`;

/** Bundles and serves the pages. `address(player, options)` is the page with what it is to do. */
export async function startPages() {
  const files = {};
  for (const player of ['hls', 'p2pml']) {
    files[`/${player}.html`] = ['text/html', html(player)];
    files[`/${player}.js`] = ['text/javascript', await bundle(player)];
  }
  await stop();
  const site = await otherSite(files);
  return { address: (player, options) => `${site.url}${player}.html#${encodeURIComponent(JSON.stringify(options))}`, close: site.close };
}
