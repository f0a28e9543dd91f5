// Builds the browser client into dist/: pages and dashboard with hashed names, and the public player under stable names.
// Run by `npm run build`; `make client` embeds the result in the program (assets.go).
import { build, transform } from 'esbuild';
import { gzipSync } from 'node:zlib';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('.', import.meta.url));
const dist = join(root, 'dist');
const pages = { index: 'src/pages', watch: 'src/pages', embed: 'src/pages', dashboard: 'src/dashboard' };
const styles = ['src/pages/site.css', 'src/dashboard/dashboard.css'];
/** Engine and playback without hls.js and without controls, minified and gzipped, in bytes: what a page of one's own must load. */
const coreBudget = 40 * 1024;

/** Style sheets that scripts import become minified text. */
const cssText = {
  name: 'css-text',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]src[\\/]player[\\/].*\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, 'utf8'), { loader: 'css', minify: true });
      return { contents: code.trim(), loader: 'text' };
    });
  },
};

const common = {
  absWorkingDir: root,
  bundle: true,
  plugins: [cssText],
  minify: true,
  sourcemap: 'linked',
  // Map files name the sources; their text is in the repository.
  sourcesContent: false,
  target: ['es2022', 'chrome105', 'firefox110', 'safari16'],
  legalComments: 'linked',
  logLevel: 'warning',
  outdir: dist,
  metafile: true,
};

/** Empties dist but for what Git keeps, so that Go's embed directive finds the folder in a fresh checkout. */
async function clean() {
  await mkdir(dist, { recursive: true });
  await Promise.all((await readdir(dist)).filter((name) => name !== '.gitkeep').map((name) => rm(join(dist, name), { recursive: true })));
  await writeFile(join(dist, '.gitkeep'), '');
}

/** Scripts and styles of the pages; gives the hashed name of each by its plain one, and what each script imports. */
async function buildPages() {
  const scripts = Object.fromEntries(Object.entries(pages).map(([name, folder]) => [name, `${folder}/${name}.ts`]));
  const result = await build({ ...common, entryPoints: scripts, format: 'esm', splitting: true, entryNames: '[name]-[hash]', chunkNames: 'chunk-[hash]' });
  const sheets = await build({ ...common, entryPoints: styles, entryNames: '[name]-[hash]' });
  const icon = await build({ ...common, entryPoints: ['src/pages/favicon.svg'], loader: { '.svg': 'copy' }, entryNames: '[name]-[hash]', sourcemap: false });
  const names = new Map();
  const imports = new Map();
  for (const { outputs } of [result.metafile, sheets.metafile, icon.metafile]) {
    for (const [path, output] of Object.entries(outputs)) {
      const source = output.entryPoint ?? Object.keys(output.inputs)[0];
      if (path.endsWith('.map') || path.includes('/chunk-') || path.endsWith('LEGAL.txt') || source === undefined) continue;
      names.set(basename(source).replace(/\.ts$/, '.js'), basename(path));
      imports.set(basename(path), output.imports.filter(({ kind }) => kind === 'import-statement').map((file) => basename(file.path)));
    }
  }
  return { names, imports };
}

async function buildPlayer() {
  const entry = { ...common, entryPoints: { 'starling-player': 'src/player/index.ts' } };
  await build({ ...entry, format: 'iife', globalName: 'Starling' });
  await build({ ...entry, format: 'esm', outExtension: { '.js': '.mjs' } });
}

/** Writes the pages with the hashed names of what they load; imported chunks load beside the script, not after it. */
async function writePages({ names, imports }) {
  for (const [name, folder] of Object.entries(pages)) {
    const html = await readFile(join(root, folder, `${name}.html`), 'utf8');
    const linked = html.replaceAll(/"\/assets\/([\w.-]+)"/g, (_, file) => {
      const hashed = names.get(file);
      if (hashed === undefined) throw new Error(`${folder}/${name}.html names /assets/${file}, which is not built`);
      return `"/assets/${hashed}"`;
    });
    const preloads = (imports.get(names.get(`${name}.js`)) ?? []).map((file) => `<link rel="modulepreload" href="/assets/${file}">\n`).join('');
    await writeFile(join(dist, `${name}.html`), linked.replace('</head>', `${preloads}</head>`));
  }
}

/** Size of a bundle without hls.js. */
async function sizeOf(...modules) {
  const contents = modules.map((path) => `export * from './${path}';`).join('\n');
  const { outputFiles } = await build({ ...common, stdin: { contents, resolveDir: root }, format: 'esm', external: ['hls.js'], write: false, sourcemap: false, metafile: false, legalComments: 'none' });
  return gzipSync(outputFiles[0].contents).length;
}

/** The licences of what the bundles contain, as those ask for. */
async function writeLicences() {
  const texts = await Promise.all(['hls.js', 'uplot'].map(async (name) => `${name}\n\n${await readFile(join(root, 'node_modules', name, 'LICENSE'), 'utf8')}`));
  await writeFile(join(dist, 'LICENSES.txt'), texts.join(`\n${'-'.repeat(72)}\n\n`));
}

async function printSizes() {
  const names = (await readdir(dist)).filter((name) => /\.(?:m?js|css|html|svg)$/.test(name)).sort();
  for (const name of names) {
    const body = await readFile(join(dist, name));
    console.log(`${name.padEnd(30)} ${String(body.length).padStart(8)} B ${String(gzipSync(body).length).padStart(8)} B gzipped`);
  }
}

await clean();
const pageFiles = await buildPages();
await buildPlayer();
await writePages(pageFiles);
await writeLicences();
await printSizes();
const core = await sizeOf('src/hls/hls-session.ts', 'src/swarm/engine.ts');
console.log(`without hls.js: core ${core} B gzipped (budget ${coreBudget} B), with controls ${await sizeOf('src/player/index.ts')} B`);
if (core > coreBudget) {
  console.error('The client core is over its budget. Find what grew with `npx esbuild --analyze`.');
  process.exitCode = 1;
}
