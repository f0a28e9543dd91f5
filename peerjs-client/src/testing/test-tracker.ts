import type { SignalData, TrackAssignment, ViewerMessage } from '../tracker/messages.js';
import { toBase64Url, type Bytes } from '../wire/bytes.js';
import type { ServerSocket, SocketHub } from './fake-socket.js';

/** What one viewer is assigned. */
export interface Plan {
  readonly tracks: readonly TrackAssignment[];
  readonly children: readonly string[];
  readonly peers: readonly string[];
}

/** A tracker for tests: ids by order of joining, signals passed on, assignments by hand. */
export class TestTracker {
  readonly viewers = new Map<string, ServerSocket>();
  readonly messages: (ViewerMessage & { readonly viewer: string })[] = [];
  welcome: Readonly<Record<string, unknown>> = {};
  private revision = 0;
  private joined = 0;

  constructor(hub: SocketHub, private readonly key: Bytes) {
    hub.servers.set('/tracker', (socket) => this.serve(socket));
  }

  of<T extends ViewerMessage['type']>(type: T): (Extract<ViewerMessage, { type: T }> & { readonly viewer: string })[] {
    return this.messages.filter((m) => m.type === type) as (Extract<ViewerMessage, { type: T }> & { readonly viewer: string })[];
  }

  assign(id: string, plan: Plan): void {
    this.viewers.get(id)?.send(JSON.stringify({ type: 'assign', revision: ++this.revision, ...plan }));
  }

  send(id: string, message: unknown): void {
    this.viewers.get(id)?.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  signal(to: string, from: string, data: SignalData): void {
    this.send(to, { type: 'signal', from, data });
  }

  private serve(socket: ServerSocket): void {
    let id = '';
    socket.onMessage = (data) => {
      const m = JSON.parse(String(data)) as ViewerMessage;
      if (m.type === 'join') {
        id = `v${++this.joined}`;
        this.viewers.set(id, socket);
        socket.send(JSON.stringify({
          type: 'welcome', id, stream: 'live/demo', key: toBase64Url(this.key), iceServers: [], beaconMs: 1_000, maxPeers: 10, p2p: true, ...this.welcome,
        }));
      }
      if (m.type === 'signal') this.signal(m.to, id, m.data);
      this.messages.push({ viewer: id, ...m });
    };
    socket.onClose = () => void this.viewers.delete(id);
  }
}
