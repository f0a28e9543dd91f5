import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attribute, ownerFinder, ownerOfSource, slope, slowest } from '../lib/main-thread.mjs';

// A profile of one script whose functions begin at columns 0, 10, 20 and 30.
const frame = (functionName, columnNumber, url = 'http://x/a.js') => ({ functionName, url, lineNumber: 0, columnNumber });
const ownerOf = ({ url, columnNumber }) => (url === '' ? undefined : { 0: 'player', 10: 'engine', 20: 'hls.js' }[columnNumber]);
const profile = {
  nodes: [
    { id: 1, callFrame: frame('(root)', -1, ''), children: [2, 3, 4, 5, 8] },
    { id: 2, callFrame: frame('(idle)', -1, '') },
    { id: 3, callFrame: frame('(garbage collector)', -1, '') },
    { id: 4, callFrame: frame('(program)', -1, '') },
    { id: 5, callFrame: frame('play', 0), children: [6] },
    { id: 6, callFrame: frame('receive', 10), children: [7] },
    { id: 7, callFrame: frame('digest', -1, '') },
    { id: 8, callFrame: frame('constructor', 30) },
  ],
  samples: [2, 5, 6, 7, 3, 4, 8, 2],
  timeDeltas: [0, 1e6, 2e6, 3e6, 4e6, 5e6, 6e6, 7e6],
};

test('a sample counts for the innermost known function on its stack', () => {
  assert.deepEqual(attribute(profile, ownerOf), {
    idle: 1, // the last sample has no end
    player: 2,
    engine: 3 + 4, // its own time, and the browser's function that it called
    'hls.js': 0,
    collector: 5,
    browser: 6 + 7, // tasks without a script, and a script of nobody known
  });
});

test('what took an owner time is named, with the caller where the browser did it', () => {
  assert.deepEqual(slowest(profile, ownerOf, 'engine', 5), [['digest in receive', 4], ['receive', 3]]);
});

test('owners are found by source map', () => {
  // Two segments on the first line: column 0 from the first source, column 10 from the second.
  const map = { version: 3, sources: ['../src/hls/a.ts', '../src/swarm/b.ts'], names: [], mappings: 'AAAA,UCAA' };
  const find = ownerFinder(new Map([['http://x/a.js', JSON.stringify(map)]]));
  assert.equal(find(frame('f', 3)), 'player');
  assert.equal(find(frame('g', 12)), 'engine');
  assert.equal(find(frame('h', 12, 'http://x/other.js')), undefined);
});

test('sources have owners by folder', () => {
  assert.equal(ownerOfSource('/../src/swarm/engine.ts'), 'engine');
  assert.equal(ownerOfSource('/../src/wire/varint.ts'), 'engine');
  assert.equal(ownerOfSource('/../src/clock.ts'), 'engine');
  assert.equal(ownerOfSource('/../src/player/stats.ts'), 'player');
  assert.equal(ownerOfSource('/../node_modules/hls.js/dist/hls.mjs'), 'hls.js');
  assert.equal(ownerOfSource('/../node_modules/uplot/dist/uPlot.esm.js'), undefined);
});

test('the slope of a line', () => {
  assert.equal(slope([[0, 5], [1, 7], [2, 9]]), 2);
  assert.ok(Number.isNaN(slope([[1, 1]])));
});
