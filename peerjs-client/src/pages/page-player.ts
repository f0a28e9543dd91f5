/** Prepares the player of the watch and embed pages from the page's address. */
import { attributesFromQuery, streamFromPath, type StarlingPlayer } from '../player/index';
import { byId } from './elements';
import { installHook } from './hook';

/** Sets the stream and the query's options, and installs `window.starling`. Gives the stream's name. */
export function preparePlayer(): { readonly player: StarlingPlayer; readonly stream: string | undefined } {
  const player = byId<StarlingPlayer>('player');
  const stream = streamFromPath(location.pathname);
  for (const [name, value] of attributesFromQuery(location.search)) {
    if (value === null) player.removeAttribute(name);
    else player.setAttribute(name, value);
  }
  if (stream !== undefined) {
    player.setAttribute('stream', stream);
    document.title = `${stream} – Starling`;
  }
  installHook(player);
  return { player, stream };
}
