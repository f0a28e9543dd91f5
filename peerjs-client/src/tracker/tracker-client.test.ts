import { beforeEach, expect, it } from 'vitest';
import { fullJitter } from '../clock.js';
import { FakeClock } from '../testing/fake-clock.js';
import { SocketHub } from '../testing/fake-socket.js';
import { TestTracker } from '../testing/test-tracker.js';
import type { Beacon } from './messages.js';
import { TrackerClient } from './tracker-client.js';

const beacon: Beacon = {
  peerBytes: 1, feedBytes: 2, httpBytes: 3, sentBytes: 4, duplicateBytes: 5, rejectedBytes: 6, controlBytes: 7, stalls: 0, stallMs: 0,
  bufferMs: 8, rung: 'v', droppedFrames: 0, peers: 1, connectFailures: 0, uplink: 9,
};

let clock: FakeClock;
let hub: SocketHub;
let tracker: TestTracker;
let log: string[];
let client: TrackerClient;

beforeEach(() => {
  clock = new FakeClock();
  hub = new SocketHub(clock);
  tracker = new TestTracker(hub, new Uint8Array(32));
  log = [];
  client = new TrackerClient({
    url: 'ws://edge/tracker', stream: 'live/demo', session: 'ab', uplink: () => 5, browser: 'other', clock, createSocket: hub.create, random: () => 0.5,
    beacon: () => beacon,
    events: {
      onWelcome: (w) => log.push(`welcome ${w.id}`), onAssign: (a) => log.push(`assign ${a.revision}`), onSignal: (from) => log.push(`signal ${from}`),
      onBan: (peer) => log.push(`ban ${peer}`), onDown: (why, isFinal) => log.push(`down ${isFinal} ${why}`),
    },
  });
});

it('joins, tells changes of tracks, signals and sends beacons', async () => {
  client.start(['v', 'a']);
  await clock.advance(50);
  expect(log).toEqual(['welcome v1']);
  expect(hub.opened[0]?.protocol).toBe('starling-tracker.1');
  expect(tracker.of('join')[0]).toMatchObject({ version: 1, stream: 'live/demo', tracks: ['v', 'a'], uplink: 5, browser: 'other', session: 'ab' });
  client.setTracks(['w']);
  client.signal('p', { offer: 'x' });
  client.lost('p', 'timeout');
  client.report('p', 'v', 1, 2, 3);
  tracker.send('v1', { type: 'ban', peer: 'q' });
  tracker.send('v1', 'garbage');
  tracker.send('v1', { type: 'later' });
  await clock.advance(3_100);
  expect(tracker.messages.map((m) => m.type)).toEqual(['join', 'tracks', 'signal', 'lost', 'report', 'beacon', 'beacon', 'beacon']);
  expect(tracker.of('beacon')[0]).toMatchObject(beacon);
  expect(log).toEqual(['welcome v1', 'ban q']);
});

it('tells tracks that the player chose while the welcome was awaited, once', async () => {
  client.start([]);
  while (tracker.of('join').length === 0) await clock.advance(1);
  expect(client.connected).toBe(false);
  client.setTracks(['v', 'a']);
  await clock.advance(50);
  expect(client.connected).toBe(true);
  expect(tracker.of('join').map((m) => m.tracks)).toEqual([[]]);
  expect(tracker.of('tracks').map((m) => m.tracks)).toEqual([['v', 'a']]);
});

it('comes back with jitter and the same session when the tracker goes away', async () => {
  client.start(['v']);
  await clock.advance(50);
  tracker.viewers.get('v1')?.close();
  hub.servers.delete('/tracker');
  client.lost('p', 'closed'); // dropped: nobody is there
  await clock.advance(20_000);
  // Half of 500, 1000, 2000, 4000, 8000, 16000 ms: six attempts begin within 20 s.
  expect(hub.opened.length).toBe(1 + 6);
  new TestTracker(hub, new Uint8Array(32));
  await clock.advance(16_000);
  expect(client.connected).toBe(true);
  expect(log.at(-1)).toBe('welcome v1');
});

it('says goodbye with a last beacon, and then nothing more', async () => {
  client.start(['v']);
  await clock.advance(50);
  client.close();
  client.close();
  await clock.advance(60_000);
  expect(tracker.messages.map((m) => m.type)).toEqual(['join', 'beacon', 'leave']);
  expect(clock.pending).toBe(0);
  expect(hub.opened.length).toBe(1);
});

it('stays away after a final error, and tries again after another', async () => {
  hub.servers.set('/tracker', (socket) => {
    socket.onMessage = () => socket.send(JSON.stringify({ type: 'error', code: hub.opened.length < 3 ? 'no-stream' : 'banned', message: 'no' }));
  });
  client.start(['v']);
  await clock.advance(120_000);
  expect(hub.opened.length).toBe(3);
  expect(log).toEqual(['down false tracker: no-stream no', 'down false tracker: no-stream no', 'down true tracker: banned no']);
  expect(clock.pending).toBe(0);
});

it('gives up a connection that never welcomes', async () => {
  hub.servers.set('/tracker', () => undefined);
  client.start(['v']);
  await clock.advance(9_000);
  expect(log).toEqual([]);
  await clock.advance(2_000);
  expect(log[0]).toBe('down false no welcome from the tracker');
  expect(hub.opened.length).toBe(2);
});

it('full jitter is spread over the whole range and bounded', () => {
  expect(fullJitter(0, () => 1)).toBe(500);
  expect(fullJitter(3, () => 0.25)).toBe(1_000);
  expect(fullJitter(50, () => 1)).toBe(30_000);
  expect(fullJitter(50, () => 0)).toBe(0);
});

it('connects ahead of the join once, and elsewhere when the catalog says so', async () => {
  client.prepare();
  await clock.advance(50);
  expect(tracker.messages).toEqual([]); // what to join is not known yet
  client.setTracks(['w']);
  client.start(['v']);
  await clock.advance(50);
  expect(hub.opened).toHaveLength(1);
  expect(tracker.of('join').map((m) => m.tracks)).toEqual([['v']]);
  expect(log).toEqual(['welcome v1']);
});

it('joins at another address than it connected to ahead', async () => {
  client.prepare();
  await clock.advance(50);
  client.start(['v'], 'ws://other/tracker');
  await clock.advance(50);
  expect(hub.opened.map((s) => s.url)).toEqual(['ws://edge/tracker', 'ws://other/tracker']);
  expect(tracker.of('join')).toHaveLength(1);
});

it('does not come back before the join when the connection ahead fails', async () => {
  hub.servers.delete('/tracker');
  client.prepare();
  await clock.advance(60_000);
  expect(hub.opened).toHaveLength(1);
  expect(log).toEqual([]);
});
