/** The page of one stream: the player and what it does, in figures. */
import { setText } from '../player/dom';
import { formatBytes, formatSeconds, formatShare } from '../player/format';
import { rungLabel, type PlayerState, type PlayerStats } from '../player/index';
import { byId, showCopyable } from './elements';
import { preparePlayer } from './page-player';
import { elementSnippet, frameSnippet } from './snippets';

const { player, stream } = preparePlayer();

const stateWords: Readonly<Record<PlayerState, string>> = {
  idle: 'Connecting', loading: 'Connecting', playing: 'LIVE', paused: 'Paused', stalled: 'Buffering', waiting: 'Not live yet', ended: 'Ended', failed: 'Cannot play',
};

function showState(state: PlayerState): void {
  const status = byId('status');
  setText(status, stateWords[state]);
  status.classList.toggle('live', state === 'playing');
}

function showStats(stats: PlayerStats): void {
  setText(byId('offload'), formatShare(stats.offload));
  setText(byId('latency'), formatSeconds(stats.latency, 1));
  setText(byId('quality'), stats.rung === undefined ? '–' : rungLabel(stats.rung));
  setText(byId('peers'), stats.p2p === 'on' ? String(stats.peers.length) : stats.p2p);
  setText(byId('sent'), formatBytes(stats.bytes.sent));
  byId('stats').setAttribute('aria-pressed', String(player.hasAttribute('stats')));
}

setText(byId('title'), stream ?? 'No such stream');
showState(player.state);
player.addEventListener('starling-state', (event) => showState(event.detail.state));
player.addEventListener('starling-stats', (event) => showStats(event.detail));
byId('stats').addEventListener('click', () => player.toggleAttribute('stats'));
byId('share').addEventListener('click', () => byId<HTMLDialogElement>('sharing').showModal());
if (stream !== undefined) {
  showCopyable(byId('link'), `${location.origin}/watch/${stream}`);
  showCopyable(byId('snippet'), elementSnippet(location.origin, stream));
  showCopyable(byId('frame'), frameSnippet(location.origin, stream));
}
