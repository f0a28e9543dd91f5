import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { World } from '../testing/world.js';
import { FrameType, parseFrame } from '../wire/peer-frames.js';

let w: World;

beforeEach(() => {
  w = new World();
});

afterEach(() => w.close());

describe('two viewers', () => {
  it('a part that one fetched by HTTP serves the other', async () => {
    w.join();
    w.join();
    await w.clock.advance(100);
    const sources = (parent: string): { name: string; slices: { slice: number; parent: string; backup: string }[] }[] => [
      { name: 'v', slices: [0, 1, 2].map((slice) => ({ slice, parent, backup: 'edge' })) },
    ];
    w.tracker.assign('v1', { tracks: sources('edge'), children: ['v2'], peers: ['v2'] });
    w.tracker.assign('v2', { tracks: sources('v1'), children: [], peers: ['v1'] });
    await w.play(3);
    await w.clock.advance(2_000); // the stream stood still: the second had left its only neighbour for the feed
    const [first, second] = w.engines;
    if (first === undefined || second === undefined) throw new Error('two viewers');
    // The feed brings the header and one chunk: the rest comes by the player's HTTP to the first, and from it to the second.
    w.edge.drops = (part, chunk) => part.track === 1 && chunk > 0;
    const id = w.edge.publish();
    const wait = second.loadPart('v', id, { deadline: w.clock.now() + 900 });
    await w.clock.advance(50);
    first.provide('v', id, w.edge.bytes('v', id));
    await w.clock.advance(300);
    const result = await wait;
    expect(result).toMatchObject({ source: 'peer', bytes: { peer: w.edge.bytes('v', id).length, edge: 0, feed: 0 } });
    expect(Buffer.compare(result?.data ?? Buffer.alloc(0), w.edge.bytes('v', id))).toBe(0);

    // The same when the header comes after the bytes; altered bytes go nowhere.
    w.edge.drops = () => false;
    const made = w.edge.publish();
    const bad = w.edge.bytes('v', made).slice();
    bad[0] = (bad[0] ?? 0) ^ 1;
    first.provide('v', made, bad);
    await w.clock.advance(200);
    expect(first.stats().counters.rejectedBytes).toBeGreaterThan(0);
    expect(Buffer.compare((await second.loadPart('v', made, { deadline: w.clock.now() + 900 }))?.data ?? Buffer.alloc(0), w.edge.bytes('v', made))).toBe(0);
  });

  it('a viewer without an uplink refuses its children, who take the feed', async () => {
    w.join({ uplink: 0 });
    w.join();
    await w.clock.advance(100);
    const slices = (parent: string): { slice: number; parent: string; backup: string }[] => [0, 1, 2].map((slice) => ({ slice, parent, backup: 'edge' }));
    w.tracker.assign('v1', { tracks: [{ name: 'v', slices: slices('edge') }], children: ['v2'], peers: ['v2'] });
    w.tracker.assign('v2', { tracks: [{ name: 'v', slices: slices('v1') }], children: [], peers: ['v1'] });
    const played = await w.play(6);
    expect(w.engines[0]?.stats().counters.sentBytes).toBe(0);
    expect(w.engines[1]?.stats().sources['v']).toEqual(['edge', 'edge', 'edge']);
    expect(played[1]?.results.slice(4).every((r) => r?.source === 'feed')).toBe(true);
  });

  it('a connection that does not come about is told to the tracker', async () => {
    w.join();
    await w.clock.advance(100);
    w.tracker.assign('v1', { tracks: [{ name: 'v', slices: [{ slice: 0, parent: 'ghost', backup: 'edge' }] }], children: [], peers: ['ghost'] });
    await w.clock.advance(5_500);
    expect(w.tracker.of('lost')).toMatchObject([{ peer: 'ghost', reason: 'connect-failed' }]);
    expect(w.engines[0]?.stats().counters.connectFailures).toBe(1);
    expect(w.engines[0]?.stats().sources['v']?.[0]).toBe('edge');
  });

  it('an assignment that comes before its track is kept for it', async () => {
    w.join().setTracks(['v']);
    w.join().setTracks(['v']);
    await w.clock.advance(100);
    const sources = (parent: string) => ['v', 'a'].map((name) => ({ name, slices: [{ slice: 0, parent, backup: 'edge' }] }));
    w.tracker.assign('v1', { tracks: sources('edge'), children: ['v2'], peers: ['v2'] });
    w.tracker.assign('v2', { tracks: sources('v1'), children: [], peers: ['v1'] });
    await w.clock.advance(3_500); // longer than a track that was left goes on
    for (const engine of w.engines) engine.setTracks(['v', 'a']);
    await w.clock.advance(1_000);
    expect(w.engines[1]?.stats().sources['a']).toEqual(['v1']);
  });

  it('refuses a connection from somebody it is not paired with', async () => {
    w.join();
    w.join();
    await w.clock.advance(100);
    w.tracker.assign('v2', { tracks: [{ name: 'v', slices: [{ slice: 0, parent: 'v1', backup: 'edge' }] }], children: [], peers: ['v1'] });
    await w.clock.advance(3_000);
    expect(w.network.open('v1')).toBe(0);
    expect(w.engines[0]?.stats().neighbours).toEqual([]);
  });

  it('frames that break the protocol end the connection', async () => {
    w.join();
    w.join();
    await w.clock.advance(100);
    const pair = (me: string, other: string): void => w.tracker.assign(me, {
      tracks: [{ name: 'v', slices: [{ slice: 0, parent: me === 'v1' ? 'edge' : 'v1', backup: 'edge' }] }], children: [other], peers: [other],
    });
    pair('v1', 'v2');
    pair('v2', 'v1');
    await w.play(2);
    await w.clock.advance(2_000); // the stream stood still: see above
    let seen: number | undefined;
    w.network.tamper = (_, __, data) => { // whoever announces a part first
      const frame = parseFrame(data);
      if (frame?.type === 'bye') seen = frame.reason;
      return data[0] === FrameType.have ? data.slice(0, 2) : data;
    };
    await w.play(2);
    expect(seen).toBe(4);
    expect(w.tracker.of('lost').length).toBeGreaterThan(0);
  });
});
