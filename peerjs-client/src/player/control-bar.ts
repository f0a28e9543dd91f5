/** The bar at the bottom of the player. */
import { h, setText } from './dom';
import { formatSeconds, formatShare } from './format';
import { drawIcon, type IconName } from './icons';

/** What the bar can ask for. */
export interface ControlActions {
  togglePlay(): void;
  toggleMute(): void;
  setVolume(volume: number): void;
  goLive(): void;
  toggleMenu(): void;
  toggleStats(): void;
  togglePictureInPicture(): void;
  toggleFullScreen(): void;
}

/** What the bar shows. */
export interface ControlState {
  readonly isPaused: boolean;
  readonly isMuted: boolean;
  /** 0 to 1. */
  readonly volume: number;
  /** Seconds; undefined while unknown. */
  readonly latency: number | undefined;
  readonly isAtEdge: boolean;
  readonly hasQualities: boolean;
  /** Share from other viewers, or undefined to show none. */
  readonly offload: number | undefined;
  readonly isFullScreen: boolean;
  readonly isStatsOpen: boolean;
  readonly isMenuOpen: boolean;
}

/** A button with an icon that may change. */
class Tool {
  readonly element: HTMLButtonElement;
  #icon: IconName;
  #label: string;

  constructor(name: IconName, label: string, action: () => void) {
    this.#icon = name;
    this.#label = label;
    this.element = h('button', { class: 'tool', type: 'button', 'aria-label': label, title: label }, drawIcon(name));
    this.element.addEventListener('click', action);
  }

  show(name: IconName, label: string): void {
    if (name !== this.#icon) this.element.replaceChildren(drawIcon(name));
    this.#icon = name;
    if (label === this.#label) return;
    this.#label = label;
    this.element.setAttribute('aria-label', label);
    this.element.title = label;
  }
}

/** The bar. */
export class ControlBar {
  readonly element: HTMLElement;
  readonly #play: Tool;
  readonly #mute: Tool;
  readonly #volume: HTMLInputElement;
  readonly #live: HTMLButtonElement;
  readonly #latency = h('span');
  readonly #share: HTMLElement;
  readonly #quality: Tool;
  readonly #stats: Tool;
  readonly #fullScreen: Tool;

  constructor(actions: ControlActions) {
    this.#play = new Tool('play', 'Play (k)', () => actions.togglePlay());
    this.#mute = new Tool('volume', 'Mute (m)', () => actions.toggleMute());
    this.#volume = h('input', { type: 'range', min: 0, max: 1, step: 0.05, 'aria-label': 'Volume' });
    this.#volume.addEventListener('input', () => actions.setVolume(this.#volume.valueAsNumber));
    this.#live = h('button', { class: 'live', type: 'button', title: 'Go to live (l)' }, 'LIVE', this.#latency);
    this.#live.addEventListener('click', () => actions.goLive());
    this.#share = h('span', { class: 'share', title: 'Share of the media that comes from other viewers' });
    this.#stats = new Tool('stats', 'Statistics (s)', () => actions.toggleStats());
    this.#quality = new Tool('settings', 'Quality', () => actions.toggleMenu());
    this.#quality.element.setAttribute('aria-haspopup', 'menu');
    const picture = new Tool('picture', 'Picture in picture (p)', () => actions.togglePictureInPicture());
    picture.element.hidden = !document.pictureInPictureEnabled;
    this.#fullScreen = new Tool('expand', 'Full screen (f)', () => actions.toggleFullScreen());
    this.element = h('div', { class: 'bar', role: 'group', 'aria-label': 'Player controls' },
      this.#play.element, h('div', { class: 'volume' }, this.#mute.element, this.#volume), this.#live, h('div', { class: 'spacer' }),
      this.#share, this.#stats.element, this.#quality.element, picture.element, this.#fullScreen.element);
  }

  show(state: ControlState): void {
    this.#play.show(state.isPaused ? 'play' : 'pause', state.isPaused ? 'Play (k)' : 'Pause (k)');
    const isSilent = state.isMuted || state.volume === 0;
    this.#mute.show(isSilent ? 'muted' : 'volume', isSilent ? 'Unmute (m)' : 'Mute (m)');
    const volume = state.isMuted ? 0 : state.volume;
    if (this.#volume.valueAsNumber !== volume) this.#volume.valueAsNumber = volume;
    this.#live.classList.toggle('at-edge', state.isAtEdge);
    this.#live.setAttribute('aria-label', state.isAtEdge ? 'Live' : 'Behind live. Go to live');
    setText(this.#latency, state.latency === undefined ? '' : formatSeconds(state.latency, 1));
    this.#share.hidden = state.offload === undefined;
    setText(this.#share, `${formatShare(state.offload)} shared`);
    this.#quality.element.hidden = !state.hasQualities;
    this.#quality.element.setAttribute('aria-expanded', String(state.isMenuOpen));
    this.#stats.element.setAttribute('aria-pressed', String(state.isStatsOpen));
    this.#fullScreen.show(state.isFullScreen ? 'shrink' : 'expand', state.isFullScreen ? 'Leave full screen (f)' : 'Full screen (f)');
  }

  focusQuality(): void {
    this.#quality.element.focus();
  }
}
