/** What is shown over the picture: a spinner, a start button, or a notice with what to do. */
import { h, setText } from './dom';
import { drawIcon } from './icons';
import type { Notice } from './notices';

/** What to show. */
export interface PanelState {
  readonly notice: Notice | undefined;
  readonly isLoading: boolean;
  /** The browser did not let playback start by itself. */
  readonly needsStart: boolean;
}

/** The middle of the player. */
export class MessagePanel {
  readonly element: HTMLElement;
  readonly #spinner = h('div', { class: 'spinner' });
  readonly #start: HTMLButtonElement;
  readonly #notice: HTMLElement;
  readonly #noticeSpinner = h('div', { class: 'spinner' });
  readonly #title = h('h2');
  readonly #text = h('p');
  readonly #retry: HTMLButtonElement;

  constructor(onStart: () => void, onRetry: () => void) {
    this.#start = h('button', { class: 'start', type: 'button', 'aria-label': 'Play' }, drawIcon('play'));
    this.#retry = h('button', { class: 'primary', type: 'button' }, 'Try again');
    this.#notice = h('div', { class: 'notice', role: 'status', 'aria-live': 'polite' }, this.#noticeSpinner, this.#title, this.#text, this.#retry);
    this.element = h('div', { class: 'center' }, this.#spinner, this.#start, this.#notice);
    this.#start.addEventListener('click', onStart);
    this.#retry.addEventListener('click', onRetry);
    this.show({ notice: undefined, isLoading: false, needsStart: false });
  }

  show(state: PanelState): void {
    const { notice } = state;
    this.#spinner.hidden = !state.isLoading || notice !== undefined || state.needsStart;
    this.#start.hidden = !state.needsStart || notice !== undefined;
    this.#notice.hidden = notice === undefined;
    if (notice === undefined) return;
    setText(this.#title, notice.title);
    setText(this.#text, notice.text);
    this.#noticeSpinner.hidden = !notice.isBusy;
    this.#retry.hidden = !notice.canRetry;
  }
}
