/** Keys of the player, as viewers know them from other players. */

/** What a key asks for. */
export type KeyAction = 'play' | 'mute' | 'full-screen' | 'stats' | 'live' | 'picture' | 'louder' | 'softer' | 'close';

const actions: Readonly<Record<string, KeyAction>> = {
  ' ': 'play', k: 'play', m: 'mute', f: 'full-screen', s: 'stats', l: 'live', p: 'picture', ArrowUp: 'louder', ArrowDown: 'softer', Escape: 'close',
};

/** The facts of a key press that decide. */
export interface KeyPress {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
}

/**
 * The action for a key; undefined leaves it to the browser. `focus` is the tag name of what has the focus: a button
 * keeps the space bar, a slider its arrows.
 */
export function keyAction(press: KeyPress, focus: string): KeyAction | undefined {
  if (press.ctrlKey || press.metaKey || press.altKey) return undefined;
  const action = actions[press.key.length === 1 ? press.key.toLowerCase() : press.key];
  if (focus === 'INPUT' && press.key.startsWith('Arrow')) return undefined;
  if (focus === 'BUTTON' && press.key === ' ') return undefined;
  return action;
}
