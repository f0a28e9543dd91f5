import assert from 'node:assert/strict';
import { test } from 'node:test';
import { descendants, load, parseMachine, parseStat, readMachine } from '../lib/machine.mjs';

test('a process with spaces and parentheses in its name is read', () => {
  const fields = ['S', '7', '1', '1', '0', '-1', '0', '0', '0', '0', '0', '200', '100', '50', '50', '20'];
  const stat = parseStat(`42 (a (b) c) ${fields.join(' ')}`);
  assert.deepEqual({ ...stat, seconds: undefined }, { pid: 42, name: 'a (b) c', parent: 7, seconds: undefined });
  assert.ok(stat.seconds > 0);
});

test('descendants are children of children, and nobody else', () => {
  const all = [[2, 1], [3, 2], [4, 3], [5, 1], [6, 9]].map(([pid, parent]) => ({ pid, parent }));
  assert.deepEqual(descendants(all, 2).map((one) => one.pid).sort(), [3, 4]);
  assert.deepEqual(descendants(all, 6), []);
});

test('load is what was used between two readings', () => {
  const first = { at: 0, seconds: { chromium: 1, harness: 1 }, machine: parseMachine('cpu  100 0 0 100 0 0 0 0 0 0\n') };
  const second = { at: 2000, seconds: { chromium: 2, harness: 1, ffmpeg: 0.5 }, machine: parseMachine('cpu  150 0 0 120 10 0 0 20 0 0\n') };
  const result = load(first, second);
  assert.deepEqual(result.cores, { chromium: 0.5, ffmpeg: 0.25 });
  assert.equal(result.idle, 0.3);
  assert.equal(result.steal, 0.2);
});

test('this machine can be read', () => {
  const reading = readMachine();
  assert.ok(reading.machine.all > 0 && reading.seconds.harness > 0);
});
