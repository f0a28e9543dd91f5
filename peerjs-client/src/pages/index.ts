/** The list of live streams. */
import { h, icon, setText } from '../player/dom';
import { formatDuration } from '../player/format';
import { byId, showCopyable } from './elements';
import { elementSnippet, ffmpegCommand, rtmpServer } from './snippets';
import { hueOf, parseStreams, trackLabel, type LiveStream } from './streams';

const refreshMs = 3000;
const list = byId('streams');
let shown = '';

function card(stream: LiveStream): HTMLElement {
  const watch = `/watch/${stream.id}`;
  const hue = hueOf(stream.id);
  const cover = h('a', { class: 'cover', href: watch, 'aria-label': `Watch ${stream.id}` }, icon('M7 4.5v15a1 1 0 0 0 1.53.85l12-7.5a1 1 0 0 0 0-1.7l-12-7.5A1 1 0 0 0 7 4.5z'), h('span', { class: 'badge' }, 'LIVE'));
  cover.style.background = `linear-gradient(135deg, hsl(${hue} 48% 34%), hsl(${(hue + 50) % 360} 52% 20%))`;
  const labels = stream.tracks.map(trackLabel).filter((label) => label !== undefined);
  return h('li', { class: 'card' }, cover, h('div', { class: 'card-body' },
    h('h2', {}, h('a', { href: watch }, stream.id)),
    h('p', { 'data-started': stream.startedAtMs }),
    h('div', { class: 'chips' }, ...labels.map((label) => h('span', { class: 'chip' }, label))),
    h('div', { class: 'actions' }, h('a', { class: 'button main', href: watch }, 'Watch'), h('a', { class: 'button', href: `/embed/${stream.id}` }, 'Player only'))));
}

function show(streams: readonly LiveStream[]): void {
  const key = JSON.stringify(streams);
  if (key !== shown) {
    shown = key;
    list.replaceChildren(...streams.map(card));
  }
  for (const line of list.querySelectorAll<HTMLElement>('[data-started]')) {
    const started = Number(line.dataset['started']);
    setText(line, started > 0 ? `Started ${formatDuration((Date.now() - started) / 1000)} ago` : 'On air');
  }
  setText(byId('summary'), streams.length === 0 ? '' : streams.length === 1 ? 'One stream is on air' : `${streams.length} streams are on air`);
  byId('publish').hidden = streams.length > 0;
  byId('embedding').hidden = streams.length === 0;
  const [first] = streams;
  if (first === undefined) return;
  setText(byId('embed-name'), first.id);
  showCopyable(byId('snippet'), elementSnippet(location.origin, first.id));
}

async function refresh(): Promise<void> {
  try {
    const response = await fetch('/streams.json', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    show(parseStreams(await response.json()));
    byId('trouble').hidden = true;
  } catch {
    byId('trouble').hidden = false;
  } finally {
    setTimeout(() => void refresh(), refreshMs);
  }
}

byId('rtmp-server').textContent = rtmpServer(location.hostname);
showCopyable(byId('ffmpeg'), ffmpegCommand(location.hostname));
void refresh();
