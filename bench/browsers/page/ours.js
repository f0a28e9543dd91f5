// Our player as a site embeds it: the element with its controls.
import '../../../peerjs-client/dist/starling-player.mjs';
import { options } from './options.js';

const player = document.createElement('starling-player');
player.style.width = '640px';
for (const [name, value] of Object.entries(options.attributes)) player.setAttribute(name, value);
// As the pages of the edge have it, for run.mjs.
window.starling = { player, get engine() { return player.engine; } };
document.body.append(player);
