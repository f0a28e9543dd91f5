import type { Clock } from '../clock.js';
import type { WebSocketFactory, WebSocketLike } from '../socket.js';

const LATENCY_MS = 2;

/** The server's end of a fake WebSocket. */
export class ServerSocket {
  onMessage: (data: string | Uint8Array<ArrayBuffer>) => void = () => undefined;
  onClose: () => void = () => undefined;

  constructor(readonly url: string, private readonly client: FakeSocket) {}

  get isOpen(): boolean {
    return this.client.readyState === 1;
  }

  send(data: string | Uint8Array): void {
    this.client.deliver(data);
  }

  close(code = 1_001): void {
    this.client.fail(code);
  }
}

class FakeSocket implements WebSocketLike {
  binaryType: BinaryType = 'blob';
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { readonly data: unknown }) => void) | null = null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  server: ServerSocket | undefined;

  constructor(private readonly clock: Clock, readonly protocol: string) {}

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.readyState !== 1) throw new Error('not open');
    const copy = typeof data === 'string' ? data : data.slice();
    this.clock.setTimeout(() => this.server?.onMessage(copy), LATENCY_MS);
  }

  close(): void {
    if (this.readyState >= 2) return;
    this.readyState = 3;
    this.clock.setTimeout(() => this.server?.onClose(), LATENCY_MS);
  }

  open(server: ServerSocket): void {
    if (this.readyState !== 0) return;
    this.server = server;
    this.readyState = 1;
    this.onopen?.();
  }

  deliver(data: string | Uint8Array): void {
    this.clock.setTimeout(() => {
      if (this.readyState === 1) this.onmessage?.({ data: typeof data === 'string' ? data : new Uint8Array(data).buffer });
    }, LATENCY_MS);
  }

  fail(code: number): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onerror?.();
    this.onclose?.({ code, reason: '' });
  }
}

/** WebSocket servers by path; a path without one refuses. */
export class SocketHub {
  readonly servers = new Map<string, (socket: ServerSocket) => void>();
  /** Milliseconds until a path answers, where that is longer than usual. */
  readonly delays = new Map<string, number>();
  /** Every address and subprotocol that was opened. */
  readonly opened: { readonly url: string; readonly protocol: string }[] = [];

  constructor(private readonly clock: Clock) {}

  readonly create: WebSocketFactory = (url, protocol) => {
    this.opened.push({ url, protocol });
    const socket = new FakeSocket(this.clock, protocol);
    this.clock.setTimeout(() => {
      const serve = this.servers.get(new URL(url).pathname);
      if (socket.readyState !== 0) return;
      if (serve === undefined) {
        socket.fail(1_006);
        return;
      }
      const server = new ServerSocket(url, socket);
      serve(server);
      socket.open(server);
    }, this.delays.get(new URL(url).pathname) ?? LATENCY_MS);
    return socket;
  };
}
