import { expect } from 'vitest';
import type { CatalogTrack } from '../swarm/catalog.js';
import { SwarmEngine, type EngineOptions, type LoadResult, type PartId } from '../swarm/engine.js';
import { FakeClock } from './fake-clock.js';
import { FakeNetwork } from './fake-rtc.js';
import { SocketHub } from './fake-socket.js';
import { fakeSubtle } from './fake-subtle.js';
import { TestEdge } from './test-edge.js';
import { TestTracker } from './test-tracker.js';

const video: CatalogTrack = { number: 1, name: 'v', kind: 'video', bitrate: 1_500_000, slices: 3 };
const audio: CatalogTrack = { number: 2, name: 'a', kind: 'audio', bitrate: 128_000, slices: 1 };
const PART_MS = 333;

/** What one engine gave its player. */
export interface Played { readonly results: (LoadResult | undefined)[]; readonly waits: number[] }

/** Engines, an edge, a tracker and the network between them, in one process and virtual time. */
export class World {
  readonly clock = new FakeClock();
  readonly hub = new SocketHub(this.clock);
  readonly network = new FakeNetwork(this.clock);
  readonly edge = new TestEdge(this.hub, [video, audio]);
  readonly tracker = new TestTracker(this.hub, this.edge.origin.key);
  readonly engines: SwarmEngine[] = [];
  readonly events: string[][] = [];

  /** Starts an engine that wants both tracks; the n-th one is `vn` at the tracker and in the network. */
  join(options: Partial<EngineOptions> = {}): SwarmEngine {
    const { clock, hub, network, edge } = this;
    const engine = new SwarmEngine({
      baseUrl: 'http://edge/live/demo/', stream: 'live/demo', clock, fetch: edge.fetch, createSocket: hub.create, subtle: fakeSubtle,
      createPeerConnection: network.factory(`v${this.engines.length + 1}`), random: () => 0.5, ...options,
    });
    const log: string[] = [];
    engine.on('peer', (e) => log.push(`${e.id} ${e.state}`));
    engine.on('ban', (e) => log.push(`ban ${e.id}`));
    this.engines.push(engine);
    this.events.push(log);
    engine.start();
    engine.setTracks(['v', 'a']);
    engine.setBuffer(1);
    return engine;
  }

  /** Slice s has viewer s as its root and the others as its children, each the other's backup as `backup` says. */
  assignRoots(ids: readonly string[], backup: (id: string, root: string) => string = () => 'edge'): void {
    for (const id of ids) {
      const peers = ids.filter((other) => other !== id);
      const sources = (k: number): { slice: number; parent: string; backup: string }[] => Array.from({ length: k }, (_, slice) => {
        const root = ids[slice % ids.length] ?? '';
        return { slice, parent: root === id ? 'edge' : root, backup: root === id ? 'edge' : backup(id, root) };
      });
      this.tracker.assign(id, { tracks: [{ name: 'v', slices: sources(3) }, { name: 'a', slices: sources(1) }], children: peers, peers });
    }
  }

  /** Publishes `n` parts in real time; every engine asks for each when it is there, and fetches what it does not get. Then nothing is published for `restMs`. */
  async play(n: number, only: readonly SwarmEngine[] = this.engines, sizeOf?: (track: CatalogTrack) => number, restMs = 1_000): Promise<Played[]> {
    const played = only.map((): Played => ({ results: [], waits: [] }));
    for (let i = 0; i < n; i++) {
      const id = this.edge.publish(sizeOf);
      for (const name of ['v', 'a']) {
        only.forEach((engine, e) => void this.load(engine, name, id, played[e]));
      }
      await this.clock.advance(PART_MS);
    }
    await this.clock.advance(restMs);
    return played;
  }

  async swarmOfThree(backup?: (id: string, root: string) => string): Promise<void> {
    for (let i = 0; i < 3; i++) this.join();
    await this.clock.advance(100);
    this.assignRoots(['v1', 'v2', 'v3'], backup);
    await this.play(3);
  }

  /** Closes every engine and expects nothing to be left of them. */
  async close(): Promise<void> {
    for (const engine of this.engines) engine.close();
    await this.clock.advance(2_000);
    expect(this.clock.pending, 'timers left after close()').toBe(0);
    for (let i = 1; i <= this.engines.length; i++) expect(this.network.open(`v${i}`), 'connections left after close()').toBe(0);
  }

  private async load(engine: SwarmEngine, name: string, id: PartId, into: Played | undefined): Promise<void> {
    const started = this.clock.now();
    const result = await engine.loadPart(name, id, { deadline: started + 900 });
    into?.results.push(result);
    into?.waits.push(this.clock.now() - started);
    if (result === undefined) {
      const response = await this.edge.fetch(`http://edge/live/demo/${name}/${id.msn}.${id.index}.m4s`);
      engine.provide(name, id, new Uint8Array(await response.arrayBuffer()));
    } else {
      expect(Buffer.compare(result.data, this.edge.bytes(name, id)), `${name} ${id.msn}.${id.index} is right`).toBe(0);
      expect(result.bytes.peer + result.bytes.feed + result.bytes.edge).toBe(result.data.length);
    }
  }
}
