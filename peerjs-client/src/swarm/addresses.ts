import { toWebSocketUrl } from '../socket.js';
import { partText, type PartId } from './part-id.js';

/** The addresses of one stream at its edge (docs/hls.md, docs/peer.md). */
export class Addresses {
  private readonly base: URL;

  /** @param baseUrl - ends in `/APP/NAME/`; relative to the page if it has no host. */
  constructor(baseUrl: string, private readonly stream: string) {
    this.base = new URL(baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`, typeof location === 'undefined' ? undefined : location.href);
  }

  get catalog(): string {
    return new URL('catalog.json', this.base).href;
  }

  part(track: string, id: PartId): string {
    return new URL(`${track}/${partText(id)}.m4s`, this.base).href;
  }

  get feed(): string {
    return toWebSocketUrl(new URL(`../../feed/${this.stream}`, this.base).href);
  }

  /** @param given - what the page or the catalog names; empty: at the edge. */
  tracker(given: string): string {
    return toWebSocketUrl(new URL(given === '' ? '../../tracker' : given, this.base).href);
  }
}
