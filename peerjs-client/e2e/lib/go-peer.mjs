// A viewer without a browser: `starling peer`.
import { binary } from './server.mjs';
import { start } from './process.mjs';

/** Starts one; `latest()` is its last report, cumulative. */
export function startPeer(name, url) {
  const running = start(name, binary, ['peer', url, '--json', '--every', '1s']);
  return {
    ...running,
    latest() {
      const line = running.output().split('\n').findLast((text) => text.startsWith('{'));
      if (line === undefined) throw new Error(`${name} has not reported: ${running.output()}`);
      return JSON.parse(line);
    },
  };
}
