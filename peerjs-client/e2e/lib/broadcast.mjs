// A server with one live broadcast, for the length of a test.
import assert from 'node:assert/strict';
import { publish } from './publisher.mjs';
import { startServer } from './server.mjs';
import { until } from './process.mjs';

/**
 * Puts live/test on air. The options are those of startServer and of publish, and how many `tracks` make it live. `stop()`
 * takes everything down and gives what had to be forced.
 */
export async function startBroadcast({ tracks = 4, ...options } = {}) {
  const stream = 'live/test';
  const server = await startServer(options);
  let publisher = publish(server.publishUrl(stream), options);
  const streamUrl = `${server.http}/${stream}`;
  const stop = async () => {
    await publisher.stop();
    return server.stop();
  };
  try {
    await until('the broadcast to be live with its whole ladder', async () => {
      const answer = await fetch(`${streamUrl}/catalog.json`);
      return answer.ok && (await answer.json()).tracks.length >= tracks;
    }, 20_000);
  } catch (error) {
    const message = `${error.message}\npublisher: ${publisher.output()}\n${server.output()}`;
    await stop();
    throw new Error(message);
  }
  return {
    server,
    stream,
    streamUrl,
    watchUrl: `${server.http}/watch/${stream}?muted=1`,
    publisher: () => publisher,
    republish: () => (publisher = publish(server.publishUrl(stream), options)),
    stop,
  };
}

/** Runs `body` while live/test is on air, then takes everything down and checks that it went down when asked. */
export async function withBroadcast(options, body) {
  if (typeof options === 'function') return withBroadcast({}, options);
  const broadcast = await startBroadcast(options);
  try {
    await body(broadcast);
  } catch (error) {
    error.message += `\n${broadcast.server.output()}`;
    throw error;
  } finally {
    const forced = await broadcast.stop();
    assert.deepEqual(forced, [], 'these did not stop within 8 s of SIGTERM');
  }
}
