/** The overlay with the player's figures, toggled by the key `s`. */
import { h, setText } from './dom';
import { formatBitrate, formatBytes, formatMs, formatSeconds, formatShare } from './format';
import { rungLabel } from './quality-menu';
import { offloadOf, type PeerRow, type PlayerStats } from './stats';

const sources = ['peer', 'feed', 'edge'] as const;
const sourceNames = { peer: 'From viewers', feed: 'Edge feed', edge: 'Edge HTTP' } as const;
const shownPeers = 8;

type RowName = (typeof sources)[number] | 'sent' | 'latency' | 'buffer' | 'rung' | 'bandwidth' | 'startup' | 'stalls' | 'dropped' | 'playlists' | 'swarm';

/** The overlay. */
export class StatsOverlay {
  readonly element: HTMLElement;
  readonly #offload = h('b');
  readonly #bars = sources.map((source) => h('i', { class: source }));
  readonly #values = new Map<RowName, HTMLElement>();
  readonly #peers = h('tbody');
  readonly #table: HTMLTableElement;

  constructor(onClose: () => void) {
    const close = h('button', { type: 'button', 'aria-label': 'Close statistics' }, '×');
    close.addEventListener('click', onClose);
    const list = h('dl', {},
      ...sources.flatMap((source) => this.#row(source, sourceNames[source], h('i', { class: `key ${source}` }))),
      ...this.#row('sent', 'Sent to viewers'), ...this.#row('latency', 'Latency'), ...this.#row('buffer', 'Buffer'),
      ...this.#row('rung', 'Quality'), ...this.#row('bandwidth', 'Bandwidth'), ...this.#row('startup', 'Start-up'), ...this.#row('stalls', 'Stalls'),
      ...this.#row('dropped', 'Dropped frames'), ...this.#row('playlists', 'Playlists'), ...this.#row('swarm', 'Swarm'));
    const head = h('thead', {}, h('tr', {}, h('th', {}, 'Viewer'), h('th', {}, 'Role'), h('th', {}, 'Round trip')));
    this.#table = h('table', {}, head, this.#peers);
    this.element = h('section', { class: 'overlay', 'aria-label': 'Statistics', hidden: true },
      h('header', {}, this.#offload, h('span', {}, 'from other viewers'), close), h('div', { class: 'sources' }, ...this.#bars), list, this.#table);
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  set isOpen(value: boolean) {
    this.element.hidden = !value;
  }

  show(stats: PlayerStats): void {
    if (!this.isOpen) return;
    const { rates, bytes } = stats;
    // Present shares while bytes flow, else since the start.
    const flow = rates.peer + rates.feed + rates.edge > 0 ? rates : bytes;
    setText(this.#offload, formatShare(offloadOf(flow)));
    const total = flow.peer + flow.feed + flow.edge || 1;
    sources.forEach((source, i) => {
      const bar = this.#bars[i];
      if (bar !== undefined) bar.style.width = `${(100 * flow[source]) / total}%`;
      this.#set(source, `${formatBitrate(rates[source])} · ${formatBytes(bytes[source])}`);
    });
    this.#set('sent', `${formatBitrate(rates.sent)} · ${formatBytes(bytes.sent)}`);
    this.#set('latency', `${formatSeconds(stats.latency)} (aim ${formatSeconds(stats.targetLatency)}${stats.playbackRate === 1 ? '' : `, ×${stats.playbackRate.toFixed(2)}`})`);
    this.#set('buffer', formatSeconds(stats.buffer));
    this.#set('rung', stats.rung === undefined ? '–' : `${rungLabel(stats.rung)} ${formatBitrate(stats.rung.bitrate)}${stats.isAutomatic ? '' : ' (fixed)'}`);
    this.#set('bandwidth', formatBitrate(stats.bandwidth));
    this.#set('startup', formatMs(stats.startup));
    this.#set('stalls', stats.stalls === 0 ? '0' : `${stats.stalls} (${formatMs(stats.stallMs)})`);
    this.#set('dropped', String(stats.droppedFrames));
    this.#set('playlists', `${stats.playlists.written} own, ${stats.playlists.loaded} asked for`);
    this.#set('swarm', stats.p2p === 'on' ? [stats.swarmState, `${stats.peers.length} viewers`].filter((word) => word !== '').join(', ') : stats.p2p);
    this.#showPeers(stats.peers);
  }

  #showPeers(peers: readonly PeerRow[]): void {
    this.#table.hidden = peers.length === 0;
    const rows = peers.slice(0, shownPeers).map((peer) => h('tr', {}, h('td', {}, peer.id.slice(0, 8)), h('td', {}, peer.role), h('td', {}, formatMs(peer.rtt))));
    if (peers.length > shownPeers) rows.push(h('tr', {}, h('td', { colspan: 3 }, `and ${peers.length - shownPeers} more`)));
    this.#peers.replaceChildren(...rows);
  }

  #row(name: RowName, label: string, key?: HTMLElement): [HTMLElement, HTMLElement] {
    const value = h('dd', {}, '–');
    this.#values.set(name, value);
    return [h('dt', {}, key, label), value];
  }

  #set(name: RowName, text: string): void {
    const value = this.#values.get(name);
    if (value !== undefined) setText(value, text);
  }
}
