import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SwarmEngine } from '../swarm/engine.js';
import { FrameType } from '../wire/peer-frames.js';
import { census, grown, largest, type Census } from './census.js';
import { World } from './world.js';

const PARTS_A_MINUTE = 180;
/** Small parts: what is counted is what is kept, not what is carried. */
const smallParts = (): number => 2_500;

let w: World;

beforeEach(() => {
  w = new World();
});

afterEach(() => w.close());

const count = (engine: SwarmEngine): Census => census(engine, [w, w.clock, w.hub, w.network, w.edge, w.tracker]);

/** What the servers and the network of the test keep is not the engine's. */
function forgetHistory(): void {
  for (const key of [...w.edge.parts.keys()].slice(0, -300)) w.edge.parts.delete(key);
  w.tracker.messages.length = 0;
  w.edge.requests.length = 0;
  for (const [id, pc] of w.network.all) {
    if (pc.connectionState === 'closed') w.network.all.delete(id);
  }
}

describe('an hour of two viewers', () => {
  it('leaves every collection, object and buffer as large as in the first minutes', async () => {
    w.join();
    w.join();
    await w.clock.advance(100);
    w.assignRoots(['v1', 'v2']);
    const [engine] = w.engines as [SwarmEngine];
    const playMinutes = async (minutes: number, samples: number): Promise<Census> => {
      const counts: Census[] = [];
      for (let i = 0; i < samples; i++) {
        await w.play(Math.round((PARTS_A_MINUTE * minutes) / samples), w.engines, smallParts, 0);
        forgetHistory();
        counts.push(count(engine));
      }
      return largest(counts);
    };
    const early = await playMinutes(3, 20);
    await playMinutes(54, 54);
    const late = await playMinutes(3, 20);
    // Headers remembered as sent are forgotten 512 at a time: their number swings below that.
    const grownPaths = Object.entries(grown(early, late, 16)).filter(([path, [, n]]) => !path.endsWith('.headers') || n > 512);
    expect(grownPaths).toEqual([]);
    expect(late.objects).toBeLessThan(1.1 * early.objects);
    expect(late.bytes).toBeLessThan(1.1 * early.bytes);
    expect(engine.stats().counters.peerBytes).toBeGreaterThan(2_000_000); // the swarm was at work
  }, 300_000);
});

describe('a thousand joins and leaves of neighbours', () => {
  /** Only what stays for the session by design: who is banned. */
  const lasting = new Set(['.neighbours.bans']);

  const edgeOnly = (k: number): { slice: number; parent: string; backup: string }[] => Array.from({ length: k }, (_, slice) => ({ slice, parent: 'edge', backup: 'edge' }));
  const from = (parent: string, k: number): { slice: number; parent: string; backup: string }[] => edgeOnly(k).map((s) => ({ ...s, parent }));

  const keeper = (): SwarmEngine => {
    const [first] = w.engines;
    if (first === undefined) throw new Error('nobody joined');
    return first;
  };

  /** One neighbour comes, by one of the ways in which pairs meet, and goes by one of the ways in which they part. */
  async function comeAndGo(n: number): Promise<void> {
    const id = `v${w.engines.length + 1}`;
    const other = w.join();
    await w.clock.advance(20);
    const isParent = Math.floor(n / 4) % 2 === 0;
    w.tracker.assign('v1', { tracks: [{ name: 'v', slices: isParent ? from(id, 3) : edgeOnly(3) }, { name: 'a', slices: edgeOnly(1) }], children: [id], peers: [id] });
    w.tracker.assign(id, { tracks: [{ name: 'v', slices: isParent ? edgeOnly(3) : from('v1', 3) }, { name: 'a', slices: edgeOnly(1) }], children: ['v1'], peers: ['v1'] });
    const unmet = n % 8 === 5; // leaves while the connection is being made
    await w.clock.advance(unmet ? 3 : 60);
    if (n % 8 === 3) w.network.tamper = (owner, _, data) => flipped(owner === id, data);
    if (!unmet) await w.play(1, [keeper(), other], smallParts, 0);
    switch (n % 4) {
      case 0: // says goodbye
        other.close();
        break;
      case 1: // vanishes without a word
        w.network.dead.add(id);
        await w.play(2, [keeper()], smallParts, 0);
        other.close();
        await w.clock.advance(5_000);
        break;
      case 2: // the tracker parts them
        w.tracker.assign('v1', { tracks: [{ name: 'v', slices: edgeOnly(3) }, { name: 'a', slices: edgeOnly(1) }], children: [], peers: [] });
        await w.clock.advance(2_500);
        other.close();
        break;
      default: // alters what it passes on, or is told by nobody and simply stays away
        await w.play(1, [keeper(), other], smallParts, 0);
        other.close();
        w.network.tamper = (_, __, data) => data;
    }
    await w.clock.advance(50);
  }

  function flipped(isLying: boolean, data: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (isLying && data[0] === FrameType.chunk) data[data.length - 1] = (data.at(-1) ?? 0) ^ 1;
    return data;
  }

  it('leave no connection, timer, collection or object behind', async () => {
    let made = 0;
    const create = w.network.factory('v1');
    w.join({
      createPeerConnection: () => {
        made++;
        return create();
      },
    });
    await w.clock.advance(100);
    const settled = async (): Promise<Census> => {
      w.tracker.assign('v1', { tracks: [{ name: 'v', slices: edgeOnly(3) }, { name: 'a', slices: edgeOnly(1) }], children: [], peers: [] });
      await w.clock.advance(75_000); // retries, and the memory of offences, are over
      await w.play(9, [keeper()], smallParts, 0);
      forgetHistory();
      return count(keeper());
    };
    const run = async (n: number): Promise<void> => {
      for (let i = 0; i < n; i++) {
        await comeAndGo(i);
        await w.clock.advance(600); // a closing channel has its time
        forgetHistory();
      }
    };
    await run(40);
    const before = await settled();
    const timers = w.clock.pending;
    await run(960);
    const after = await settled();
    expect(w.network.open('v1')).toBe(0);
    expect(keeper().stats().neighbours).toEqual([]);
    expect(Object.fromEntries(Object.entries(grown(before, after, 0)).filter(([path]) => !lasting.has(path)))).toEqual({});
    expect(after.objects).toBeLessThanOrEqual(before.objects + 4);
    expect(w.clock.pending).toBeLessThanOrEqual(timers);
    expect(made, 'connections made').toBeGreaterThanOrEqual(1_000);
    expect(keeper().stats().banned.length).toBeGreaterThan(100);
  }, 300_000);
});
