import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanUp, onCleanup } from '../lib/cleanup.mjs';

test('steps run once, last first, and one that fails stops no other', async () => {
  const ran = [];
  onCleanup(async () => ran.push('first'));
  onCleanup(() => {
    throw new Error('broken');
  });
  const second = onCleanup(() => ran.push('second'));
  onCleanup(() => ran.push('third'));
  await second();
  const errors = [];
  await cleanUp((message) => errors.push(message));
  assert.deepEqual(ran, ['second', 'third', 'first']);
  assert.deepEqual(errors, ['clean-up: broken']);
});
