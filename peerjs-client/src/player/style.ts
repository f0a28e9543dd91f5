/** The player's style sheet: adopted by its shadow root, so that no inline style is needed. */
import css from './player.css';

/** Gives a shadow root the player's style. Constructed sheets are allowed under `style-src 'self'`. */
export function adoptStyle(root: ShadowRoot): void {
  if ('adoptedStyleSheets' in root && 'replaceSync' in CSSStyleSheet.prototype) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
    return;
  }
  const style = document.createElement('style');
  style.textContent = css;
  (root as ShadowRoot).append(style);
}
