/** `window.starling`: the page's player for consoles and tests. */
import type Hls from 'hls.js';
import type { SwarmPort } from '../hls/swarm-port';
import type { StarlingPlayer } from '../player/starling-player';
import type { PlayerStats } from '../player/stats';

/** What a page offers on `window.starling`. */
export interface StarlingHook {
  readonly player: StarlingPlayer;
  /** The swarm engine in use now. */
  readonly engine: SwarmPort | undefined;
  /** The hls.js instance in use now. */
  readonly hls: Hls | undefined;
  stats(): PlayerStats;
}

declare global {
  interface Window {
    starling?: StarlingHook;
  }
}

/** Installs the hook. Its getters follow the player through reloads. */
export function installHook(player: StarlingPlayer): void {
  window.starling = {
    player,
    get engine() {
      return player.engine;
    },
    get hls() {
      return player.hls;
    },
    stats: () => player.stats,
  };
}
