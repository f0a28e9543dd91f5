/** The player's shadow tree, and when its controls fade. */
import { ControlBar, type ControlActions } from './control-bar';
import { h } from './dom';
import { drawIcon } from './icons';
import { MessagePanel } from './message-panel';
import { QualityMenu } from './quality-menu';
import { StatsOverlay } from './stats-overlay';
import { adoptStyle } from './style';

/** What the view asks for beyond the control bar. */
export interface ViewActions extends ControlActions {
  unmute(): void;
  retry(): void;
  chooseRung(name: string | undefined): void;
}

/** Controls fade after this long without a move. */
const idleMs = 2600;

/** Everything inside the shadow root. */
export class PlayerView {
  readonly video: HTMLVideoElement;
  readonly controls: ControlBar;
  readonly menu: QualityMenu;
  readonly overlay: StatsOverlay;
  readonly messages: MessagePanel;
  readonly unmute: HTMLButtonElement;
  readonly #frame: HTMLElement;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #holdsOpen = false;

  constructor(root: ShadowRoot, actions: ViewActions) {
    adoptStyle(root);
    this.video = h('video', { playsinline: true, tabindex: -1 });
    this.video.disableRemotePlayback = true;
    this.controls = new ControlBar(actions);
    this.menu = new QualityMenu((name) => actions.chooseRung(name), () => {
      this.menu.close();
      this.controls.focusQuality();
    });
    this.overlay = new StatsOverlay(() => actions.toggleStats());
    this.messages = new MessagePanel(() => actions.togglePlay(), () => actions.retry());
    this.unmute = h('button', { class: 'unmute', type: 'button', hidden: true }, drawIcon('muted'), 'Tap for sound');
    this.unmute.addEventListener('click', () => actions.unmute());
    const surface = h('div', { class: 'surface' });
    surface.addEventListener('click', () => this.#onSurface(actions));
    surface.addEventListener('dblclick', () => actions.toggleFullScreen());
    this.#frame = h('div', { class: 'frame' }, this.video, surface, this.messages.element, this.unmute, this.overlay.element, this.controls.element, this.menu.element);
    root.append(this.#frame);
    for (const name of ['pointermove', 'pointerdown', 'focusin', 'keydown'] as const) this.#frame.addEventListener(name, () => this.wake());
    this.#frame.addEventListener('pointerleave', () => this.#sleep());
    this.wake();
  }

  set hasControls(value: boolean) {
    this.controls.element.hidden = !value;
  }

  /** Controls stay while this is true: nothing plays, or a menu is open. */
  set holdsOpen(value: boolean) {
    if (value === this.#holdsOpen) return;
    this.#holdsOpen = value;
    this.wake();
  }

  /** Shows the controls for a while. */
  wake(): void {
    this.#frame.classList.remove('idle');
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.#sleep(), idleMs);
  }

  /** Stops the timer; the view may wake again. */
  rest(): void {
    clearTimeout(this.#idleTimer);
  }

  #sleep(): void {
    if (this.#holdsOpen || this.menu.isOpen || this.controls.element.matches(':focus-within')) return;
    this.#frame.classList.add('idle');
  }

  #onSurface(actions: ViewActions): void {
    if (this.menu.isOpen) this.menu.close();
    else if (!this.controls.element.hidden && matchMedia('(pointer: fine)').matches) actions.togglePlay();
  }
}
