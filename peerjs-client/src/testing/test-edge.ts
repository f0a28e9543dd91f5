import type { CatalogTrack } from '../swarm/catalog.js';
import { comparePart, type PartId } from '../swarm/part-id.js';
import { encodeChunk, encodeFrame, parseFrame, type Frame } from '../wire/peer-frames.js';
import { sliceOf } from '../wire/slices.js';
import type { ServerSocket, SocketHub } from './fake-socket.js';
import { TestOrigin, type MadePart } from './test-origin.js';

const PARTS_A_SEGMENT = 6;

/** An edge for tests: catalog, parts with byte ranges, and the feed. */
export class TestEdge {
  readonly origin = new TestOrigin();
  readonly parts = new Map<string, MadePart>();
  feedBytes = 0;
  httpBytes = 0;
  readonly requests: { readonly path: string; readonly range: string | undefined }[] = [];
  /** Alters a chunk on its way into the feed. */
  tamper: (chunk: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> = (chunk) => chunk;
  /** Chunks that the feed does not send. */
  drops: (part: MadePart, chunk: number) => boolean = () => false;
  /** Where subscribers of the feed began. */
  readonly subscriptions: PartId[] = [];
  private readonly sockets = new Set<ServerSocket>();
  private readonly feeds = new Set<(part: MadePart, only?: number) => void>();
  private made = 0;

  constructor(hub: SocketHub, readonly tracks: readonly CatalogTrack[], private readonly firstMsn = 100) {
    hub.servers.set('/feed/live/demo', (socket) => this.serve(socket));
  }

  /** Makes the next part of every track and pushes it to the feed. */
  publish(sizeOf: (track: CatalogTrack) => number = (t) => Math.round(t.bitrate / 24)): PartId {
    const id = { msn: this.firstMsn + Math.floor(this.made / PARTS_A_SEGMENT), index: this.made % PARTS_A_SEGMENT };
    this.made++;
    for (const track of this.tracks) {
      const part = this.origin.part(track, id, sizeOf(track), id.index === PARTS_A_SEGMENT - 1);
      this.parts.set(`${track.name}/${id.msn}.${id.index}`, part);
      for (const push of this.feeds) push(part);
    }
    return id;
  }

  /** Pushes one chunk of a part, late or again. */
  push(track: string, id: PartId, chunk: number): void {
    const part = this.parts.get(`${track}/${id.msn}.${id.index}`);
    for (const push of this.feeds) if (part !== undefined) push(part, chunk);
  }

  /** Ends every feed. */
  closeFeeds(): void {
    for (const socket of this.sockets) socket.close();
    this.sockets.clear();
    this.feeds.clear();
  }

  bytes(track: string, id: PartId): Uint8Array {
    const part = this.parts.get(`${track}/${id.msn}.${id.index}`);
    if (part === undefined) throw new Error(`no part ${track} ${id.msn}.${id.index}`);
    return part.bytes;
  }

  readonly fetch = ((input: string, init?: RequestInit): Promise<Response> => {
    const path = new URL(input).pathname.replace('/live/demo/', '');
    const range = new Headers(init?.headers).get('range') ?? undefined;
    this.requests.push({ path, range });
    if (path === 'catalog.json') return Promise.resolve(Response.json(this.origin.catalog(this.tracks)));
    const part = this.parts.get(path.replace('.m4s', ''));
    if (part === undefined) return Promise.resolve(new Response('no such part', { status: 404 }));
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    const body = from === undefined ? part.bytes : part.bytes.slice(Number(from), Number(to) + 1);
    this.httpBytes += body.length;
    return Promise.resolve(new Response(body, { status: from === undefined ? 200 : 206 }));
  }) as typeof fetch;

  private serve(socket: ServerSocket): void {
    const slices = new Map<number, Map<number, PartId>>();
    const push = (part: MadePart, only?: number): void => {
      const k = this.tracks.find((t) => t.number === part.track)?.slices ?? 1;
      let isHeaded = false;
      part.chunks.forEach((chunk, i) => {
        const from = slices.get(part.track)?.get(sliceOf(part.chunks.length, k, i));
        if (from === undefined || comparePart(part.id, from) < 0) return;
        if (!isHeaded) socket.send(encodeFrame({ type: 'header', raw: part.header }));
        isHeaded = true;
        if (only === undefined ? this.drops(part, i) : i !== only) return;
        this.feedBytes += chunk.length;
        socket.send(encodeChunk(part.track, part.id.msn, part.id.index, i, this.tamper(chunk.slice())));
      });
    };
    this.sockets.add(socket);
    socket.onClose = () => void this.feeds.delete(push);
    socket.onMessage = (data) => {
      const frame = typeof data === 'string' ? undefined : parseFrame(data);
      if (frame === undefined) throw new Error('the engine sent a malformed frame');
      this.answer(socket, frame, slices, push);
    };
  }

  private answer(socket: ServerSocket, frame: Frame, slices: Map<number, Map<number, PartId>>, push: (part: MadePart) => void): void {
    switch (frame.type) {
      case 'hello':
        socket.send(encodeFrame({ type: 'hello', version: 1, features: 0, id: 'edge', stream: 'live/demo' }));
        this.feeds.add(push);
        return;
      case 'ping':
        socket.send(encodeFrame({ type: 'pong', token: frame.token }));
        return;
      case 'subscribe': {
        const track = slices.get(frame.track) ?? new Map<number, PartId>();
        slices.set(frame.track, track);
        this.subscriptions.push({ msn: frame.msn, index: frame.index });
        for (let s = 0; s < 16; s++) {
          if (((frame.slices >> s) & 1) === 1) track.set(s, { msn: frame.msn, index: frame.index });
        }
        return;
      }
      case 'unsubscribe':
        for (let s = 0; s < 16; s++) {
          if (((frame.slices >> s) & 1) === 1) slices.get(frame.track)?.delete(s);
        }
        return;
      default:
        return;
    }
  }
}
