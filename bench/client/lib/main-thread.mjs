// Whose work fills a page's main thread: samples of the V8 profiler, attributed
// by the bundles' source maps.
import { SourceMap } from 'node:module';

/**
 * Owners of time, by where a source lies in the repository. `engine` is the swarm with its wire formats and tracker
 * client, `player` its use by hls.js and the page.
 */
const owners = [
  ['engine', /\/src\/(?:swarm|wire|tracker|clock\.|socket\.)/],
  ['player', /\/src\/(?:hls|player|pages)\b/],
  ['hls.js', /\/node_modules\/hls\.js\//],
];

/** What V8 calls time without a script. */
const meta = new Map([['(idle)', 'idle'], ['(garbage collector)', 'collector'], ['(program)', 'browser']]);

/** The owner of a source file of ours; undefined for a file of nobody known. */
export const ownerOfSource = (source) => owners.find(([, pattern]) => pattern.test(source))?.[0];

/** Finds owners of functions by the source maps of scripts: `maps` from script URL to the text of its map. */
export function ownerFinder(maps) {
  const decoded = new Map([...maps].map(([url, text]) => [url, new SourceMap(JSON.parse(text))]));
  return ({ url, lineNumber, columnNumber }) => {
    const entry = decoded.get(url)?.findEntry(lineNumber, columnNumber);
    return entry?.originalSource === undefined ? undefined : ownerOfSource(`/${entry.originalSource}`);
  };
}

/**
 * Adds up a profile of `Profiler.stop` by owner, in seconds. A sample belongs to the owner of the innermost function of a
 * known source on its stack, so that what a browser function does counts for its caller. `collector` is the garbage
 * collector; `browser` is the rest that kept the thread busy: tasks without a script, and scripts of nobody known; `idle`.
 */
export function attribute(profile, ownerOf) {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
  const known = new Map();
  const ownerOfNode = (id) => {
    if (id === undefined) return 'browser';
    if (!known.has(id)) known.set(id, meta.get(byId.get(id).callFrame.functionName) ?? ownerOf(byId.get(id).callFrame) ?? ownerOfNode(parents.get(id)));
    return known.get(id);
  };
  const seconds = { engine: 0, player: 0, 'hls.js': 0, collector: 0, browser: 0, idle: 0 };
  // The time of a sample is until the next one; timeDeltas[i] is from the sample before to sample i.
  profile.samples.forEach((id, i) => {
    const until = profile.timeDeltas[i + 1] ?? 0;
    seconds[ownerOfNode(id)] += until / 1e6;
  });
  return seconds;
}

/**
 * What took an owner's time: `[name, seconds]`, the most first. A browser's function is named with the function of the
 * owner that called it.
 */
export function slowest(profile, ownerOf, owner, n) {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
  const nameOf = (id) => byId.get(id).callFrame.functionName || '(anonymous)';
  const callerOf = (id) => (id === undefined || meta.has(nameOf(id)) || ownerOf(byId.get(id).callFrame) !== undefined ? id : callerOf(parents.get(id)));
  const self = new Map();
  profile.samples.forEach((id, i) => {
    const caller = callerOf(id);
    if (caller === undefined || ownerOf(byId.get(caller).callFrame) !== owner) return;
    const name = caller === id ? nameOf(id) : `${nameOf(id)} in ${nameOf(caller)}`;
    self.set(name, (self.get(name) ?? 0) + (profile.timeDeltas[i + 1] ?? 0) / 1e6);
  });
  return [...self].sort(([, a], [, b]) => b - a).slice(0, n);
}

/** Slope of the line through points `[x, y]` by least squares; NaN with fewer than two. */
export function slope(points) {
  const mean = (pick) => points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const [x, y] = [mean((p) => p[0]), mean((p) => p[1])];
  const spread = points.reduce((sum, p) => sum + (p[0] - x) ** 2, 0);
  return spread > 0 ? points.reduce((sum, p) => sum + (p[0] - x) * (p[1] - y), 0) / spread : NaN;
}
