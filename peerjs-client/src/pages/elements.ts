/** Finds the fixed elements of a page, and makes texts easy to copy. */
import { h } from '../player/dom';

/** The element with an id. A missing one is a fault of the page's markup. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no element #${id}`);
  return element as T;
}

const copiedMs = 1600;

/** Puts a text and a copy button into the `.copy` box around `pre`. */
export function showCopyable(pre: HTMLElement, text: string): void {
  pre.textContent = text;
  const box = pre.parentElement;
  if (box === null || box.querySelector('button') !== null) return;
  const button = h('button', { type: 'button', class: 'button' }, 'Copy');
  button.addEventListener('click', () => void copy(pre, button));
  box.append(button);
}

async function copy(pre: HTMLElement, button: HTMLButtonElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(pre.textContent ?? '');
    button.textContent = 'Copied';
  } catch {
    // No clipboard on insecure origins: mark the text, so that one key copies it.
    getSelection()?.selectAllChildren(pre);
    button.textContent = 'Press Ctrl+C';
  }
  setTimeout(() => (button.textContent = 'Copy'), copiedMs);
}
