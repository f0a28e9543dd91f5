import { discardSocket, SOCKET_OPEN, type WebSocketFactory, type WebSocketLike } from '../socket.js';
import type { Bytes } from '../wire/bytes.js';
import { EDGE_ID, FEED_SUBPROTOCOL } from '../wire/peer-frames.js';
import { Link, type LinkContext } from './link.js';

/** A link to the edge: the peer protocol over a WebSocket. Nothing is uploaded on it. */
export class FeedLink extends Link {
  private readonly socket: WebSocketLike;

  constructor(url: string, createSocket: WebSocketFactory, context: LinkContext) {
    super(EDGE_ID, 'feed', context);
    this.socket = createSocket(url, FEED_SUBPROTOCOL);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () => this.opened();
    this.socket.onmessage = (event) => this.received(event.data);
    this.socket.onerror = () => undefined; // a close event follows
    this.socket.onclose = (event) => this.dropped(`feed closed (${event.code})`);
  }

  get isCongested(): boolean {
    return true;
  }

  get bufferedBytes(): number {
    return 0;
  }

  protected isOpen(): boolean {
    return this.socket.readyState === SOCKET_OPEN;
  }

  protected transmit(message: Bytes): boolean {
    if (!this.isOpen()) return false;
    this.socket.send(message);
    return true;
  }

  protected transmitChunk(): boolean {
    return false;
  }

  protected shut(): void {
    discardSocket(this.socket);
  }
}
