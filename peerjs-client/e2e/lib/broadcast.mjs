// A server with one live broadcast, for the length of a test.
import assert from 'node:assert/strict';
import { publish } from './publisher.mjs';
import { startServer } from './server.mjs';
import { until } from './process.mjs';

/** Runs `body` while live/test is on air, then takes everything down and checks that it went down when asked. */
export async function withBroadcast(options, body) {
  if (typeof options === 'function') return withBroadcast({}, options);
  const stream = 'live/test';
  const server = await startServer(options);
  let publisher = publish(server.publishUrl(stream));
  const streamUrl = `${server.http}/${stream}`;
  try {
    await until('the broadcast to be live with its whole ladder', async () => {
      const answer = await fetch(`${streamUrl}/catalog.json`);
      return answer.ok && (await answer.json()).tracks.length >= 4;
    }, 20_000).catch((error) => {
      throw new Error(`${error.message}\npublisher: ${publisher.output()}`);
    });
    await body({
      server,
      stream,
      streamUrl,
      watchUrl: `${server.http}/watch/${stream}?muted=1`,
      publisher: () => publisher,
      republish: () => (publisher = publish(server.publishUrl(stream))),
    });
  } catch (error) {
    error.message += `\n${server.output()}`;
    throw error;
  } finally {
    await publisher.stop();
    const forced = await server.stop();
    assert.deepEqual(forced, [], 'these did not stop within 8 s of SIGTERM');
  }
}
