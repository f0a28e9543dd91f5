/** The menu of rungs: automatic or one of them. Arrow keys move, Escape closes. */
import type { Rung } from '../hls/session';
import { h, setText } from './dom';
import { formatBitrate } from './format';
import { drawIcon } from './icons';

/** How a rung is called: `720p`, with the frame rate where it is not the usual. */
export function rungLabel(rung: Rung): string {
  if (rung.height === 0) return rung.name;
  return `${rung.height}p${rung.frameRate > 31 ? Math.round(rung.frameRate) : ''}`;
}

/** The menu. */
export class QualityMenu {
  readonly element: HTMLElement;
  readonly #onChoose: (name: string | undefined) => void;
  readonly #onClose: () => void;
  readonly #automaticNote = h('small');
  #items: HTMLButtonElement[] = [];

  constructor(onChoose: (name: string | undefined) => void, onClose: () => void) {
    this.#onChoose = onChoose;
    this.#onClose = onClose;
    this.element = h('div', { class: 'menu', role: 'menu', 'aria-label': 'Quality', hidden: true });
    this.element.addEventListener('keydown', (event) => this.#onKey(event));
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  open(): void {
    this.element.hidden = false;
    (this.#items.find((item) => item.getAttribute('aria-checked') === 'true') ?? this.#items[0])?.focus();
  }

  close(): void {
    this.element.hidden = true;
  }

  /** Lists the ladder, best first. */
  setRungs(rungs: readonly Rung[]): void {
    const sorted = [...rungs].sort((a, b) => b.bitrate - a.bitrate);
    const items = [
      this.#item('Automatic', this.#automaticNote, undefined),
      ...sorted.map((rung) => this.#item(rungLabel(rung), h('small', {}, formatBitrate(rung.bitrate)), rung.name)),
    ];
    this.#items = items;
    this.element.replaceChildren(h('h2', { role: 'presentation' }, 'Quality'), ...items);
  }

  /** Marks what is chosen; `playing` is named beside "Automatic". */
  show(fixed: string | undefined, playing: Rung | undefined): void {
    for (const item of this.#items) item.setAttribute('aria-checked', String((item.dataset['rung'] ?? '') === (fixed ?? '')));
    setText(this.#automaticNote, fixed === undefined && playing !== undefined ? rungLabel(playing) : '');
  }

  #item(label: string, note: HTMLElement, name: string | undefined): HTMLButtonElement {
    const item = h('button', { type: 'button', role: 'menuitemradio', 'aria-checked': 'false', tabindex: -1, 'data-rung': name ?? '' }, drawIcon('check'), label, note);
    item.addEventListener('click', () => {
      this.#onChoose(name);
      this.#onClose();
    });
    return item;
  }

  #onKey(event: KeyboardEvent): void {
    const at = this.#items.findIndex((item) => item.matches(':focus'));
    const count = this.#items.length;
    const next = { ArrowDown: at + 1, ArrowUp: at - 1 + count, Home: 0, End: count - 1 }[event.key];
    if (next !== undefined) this.#items[next % count]?.focus();
    else if (event.key === 'Escape' || event.key === 'Tab') this.#onClose();
    else return;
    event.stopPropagation();
    if (event.key !== 'Tab') event.preventDefault();
  }
}
