/** What the client uses of a WebSocket. */
export interface WebSocketLike {
  binaryType: BinaryType;
  readonly readyState: number;
  readonly protocol: string;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: (() => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

/** Opens a WebSocket with one subprotocol. */
export type WebSocketFactory = (url: string, protocol: string) => WebSocketLike;

/** `WebSocket.OPEN`. */
export const SOCKET_OPEN = 1;

/** The page's WebSocket. */
export const browserSocket: WebSocketFactory = (url, protocol) => new WebSocket(url, protocol) as WebSocketLike;

/** Turns an http(s) address into ws(s). */
export function toWebSocketUrl(url: string): string {
  return url.replace(/^http/, 'ws');
}

/** Detaches every listener, so that a socket given up says nothing more, and closes it. */
export function discardSocket(socket: WebSocketLike): void {
  socket.onopen = socket.onmessage = socket.onclose = null;
  // An error event of a socket without a listener is only noise in the console.
  socket.onerror = () => undefined;
  socket.close(1000);
}
