import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
    // Two cores are usual in CI: more workers only fight each other.
    maxWorkers: 2,
    minWorkers: 1,
    testTimeout: 10_000,
    restoreMocks: true,
  },
});
