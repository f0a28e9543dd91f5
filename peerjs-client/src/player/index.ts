/** The player's public entry: defines `<starling-player>` and exports what pages may use. */
import { StarlingPlayer } from './starling-player';
import { swarmProvider } from './swarm-provider';

StarlingPlayer.swarm = swarmProvider;
// Two copies of the script on one page are harmless.
if (customElements.get('starling-player') === undefined) customElements.define('starling-player', StarlingPlayer);

export { StarlingPlayer, type StarlingEventMap } from './starling-player';
export { attributesFromQuery, streamFromPath, type PlayerOptions } from './player-options';
export { rungLabel } from './quality-menu';
export { offloadOf, type ByteCounts, type PeerRow, type PlayerState, type PlayerStats } from './stats';
export type { Rung } from '../hls/session';
