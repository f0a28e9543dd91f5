import { systemClock, type Clock } from '../clock.js';
import { browserSocket, type WebSocketFactory } from '../socket.js';
import type { Subtle } from '../wire/verifier.js';
import { pagePeerConnections, pageSubtle } from './browser.js';
import type { EngineOptions } from './engine-types.js';

/** What the engine takes from the page. */
export interface Environment {
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  readonly createSocket: WebSocketFactory;
  readonly createPeerConnection: ((configuration: RTCConfiguration) => RTCPeerConnection) | undefined;
  readonly subtle: Subtle | undefined;
  readonly random: () => number;
}

/** The page's own, where the options do not replace it. */
export function pageEnvironment(o: EngineOptions): Environment {
  return {
    clock: o.clock ?? systemClock,
    fetch: o.fetch ?? ((input, init) => fetch(input, init)),
    createSocket: o.createSocket ?? browserSocket,
    createPeerConnection: 'createPeerConnection' in o ? o.createPeerConnection : pagePeerConnections(),
    subtle: 'subtle' in o ? o.subtle : pageSubtle(),
    random: o.random ?? Math.random,
  };
}
