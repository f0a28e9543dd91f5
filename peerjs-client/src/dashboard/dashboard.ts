/** The dashboard: polls the node and shows streams, charts and money. */
import { byId } from '../pages/elements';
import { h, setText } from '../player/dom';
import { formatBitrate, formatBytes, formatDuration, formatMs, formatShare } from '../player/format';
import { fetchHistory, fetchNode, fetchRows, type History, type StreamRow } from './api';
import { Charts } from './charts';
import { historyCsv, streamsCsv } from './csv';
import { moneySaved, parsePrice, totalsOf } from './totals';

const refreshMs = 2000;
const priceKey = 'starling.pricePerGigabyte';
const currencyKey = 'starling.currency';

const charts = new Charts(byId);
const body = byId<HTMLTableElement>('streams').tBodies[0] ?? byId<HTMLTableElement>('streams').createTBody();
let rows: readonly StreamRow[] = [];
let history: History | undefined;
let chosen: string | undefined;

function showTotals(): void {
  const totals = totalsOf(rows);
  setText(byId('offload'), formatShare(totals.offload));
  setText(byId('viewers'), String(totals.viewers));
  setText(byId('live-streams'), totals.liveStreams === 1 ? 'on one live stream' : `on ${totals.liveStreams} live streams`);
  setText(byId('peer-rate'), formatBitrate(totals.peerBitrate));
  setText(byId('peer-bytes'), `${formatBytes(totals.peerBytes)} so far`);
  setText(byId('edge-rate'), formatBitrate(totals.edgeBitrate));
  setText(byId('edge-bytes'), `${formatBytes(totals.edgeBytes)} so far`);
  const [peer, edge] = byId('split').children as HTMLCollectionOf<HTMLElement>;
  const share = totals.offload ?? 0;
  if (peer !== undefined) peer.style.width = `${share * 100}%`;
  if (edge !== undefined) edge.style.width = totals.offload === undefined ? '0' : `${(1 - share) * 100}%`;
  byId('split').setAttribute('aria-label', `${formatShare(totals.offload)} from viewers`);
  showSaved(totals.peerBytes);
}

function showSaved(peerBytes: number): void {
  const price = parsePrice(byId<HTMLInputElement>('price').value);
  byId('price-note').hidden = price !== undefined;
  const currency = byId<HTMLInputElement>('currency').value;
  setText(byId('saved'), price === undefined ? '–' : `${currency}${moneySaved(peerBytes, price).toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`);
}

function rowElement(row: StreamRow): HTMLTableRowElement {
  const number = (...children: (string | HTMLElement)[]) => h('td', { class: 'num' }, ...children);
  const latency = row.latencyP50Ms > 0 ? `${formatMs(row.latencyP50Ms)} / ${formatMs(row.latencyP95Ms)}` : '–';
  const open = h('button', { type: 'button', 'aria-pressed': String(row.id === chosen), 'data-stream': row.id }, row.id);
  const line = h('tr', { class: row.id === chosen ? 'chosen' : undefined },
    h('td', {}, h('span', { class: row.live ? 'state live' : 'state', role: 'img', 'aria-label': row.live ? 'live' : 'ended', title: row.live ? 'Live' : 'Ended' }), open),
    number(String(row.viewers)),
    number(h('strong', {}, row.peerBitrate + row.edgeBitrate > 0 ? formatShare(row.offload) : '–')),
    number(formatBitrate(row.peerBitrate)), number(formatBitrate(row.edgeBitrate)), number(latency),
    number(row.startupP50Ms > 0 ? formatMs(row.startupP50Ms) : '–'),
    number(row.stalls === 0 ? '0' : `${row.stalls} (${(row.stallMs / 1000).toFixed(1)} s)`),
    number(String(row.roots)),
    number(row.banned > 0 ? h('span', { class: 'warn' }, String(row.banned)) : '0'));
  line.addEventListener('click', () => choose(row.id));
  return line;
}

function showRows(): void {
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset['stream'] : undefined;
  body.replaceChildren(...rows.map(rowElement));
  byId('empty').hidden = rows.length > 0;
  // The table is drawn anew; the keyboard's place in it is kept.
  if (focused !== undefined) [...body.querySelectorAll<HTMLElement>('[data-stream]')].find((button) => button.dataset['stream'] === focused)?.focus();
}

function choose(id: string): void {
  chosen = id;
  history = undefined;
  showRows();
  void refreshHistory();
}

async function refreshHistory(): Promise<void> {
  const id = chosen;
  if (id === undefined) return;
  const fresh = await fetchHistory(id).catch(() => undefined); // the trouble line is shown by the poll of the streams
  if (id !== chosen || fresh === undefined) return;
  history = fresh;
  setText(byId('detail-title'), id);
  byId('detail').hidden = false;
  charts.show(fresh);
}

async function refresh(): Promise<void> {
  try {
    rows = await fetchRows();
    byId('trouble').hidden = true;
    if (chosen === undefined || !rows.some((row) => row.id === chosen)) chosen = rows[0]?.id;
    showTotals();
    showRows();
    await refreshHistory();
  } catch {
    byId('trouble').hidden = false;
  } finally {
    setTimeout(() => void refresh(), refreshMs);
  }
}

async function showNode(): Promise<void> {
  const node = await fetchNode().catch(() => undefined); // only a label
  if (node !== undefined) setText(byId('node'), [node.node, node.role, node.version, `up ${formatDuration(node.uptimeMs / 1000)}`].filter((word) => word !== '').join(' · '));
  setTimeout(() => void showNode(), 30_000);
}

function download(name: string, csv: string): void {
  const url = URL.createObjectURL(new Blob([csv], { type: 'text/csv' }));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A field whose value is kept in this browser. */
function keepField(id: string, key: string): void {
  const field = byId<HTMLInputElement>(id);
  field.value = localStorage.getItem(key) ?? field.value;
  field.addEventListener('input', () => {
    localStorage.setItem(key, field.value);
    showTotals();
  });
}

keepField('price', priceKey);
keepField('currency', currencyKey);
byId('export-streams').addEventListener('click', () => download('starling-streams.csv', streamsCsv(rows, new Date())));
byId('export-history').addEventListener('click', () => {
  if (chosen !== undefined && history !== undefined) download(`starling-${chosen.replace('/', '-')}.csv`, historyCsv(chosen, history));
});
void showNode();
void refresh();
