import { describe, expect, it } from 'vitest';
import { keyAction } from './keyboard';

const press = (key: string, change = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, ...change });

describe('keyAction', () => {
  it.each([[' ', 'play'], ['K', 'play'], ['s', 'stats'], ['ArrowUp', 'louder'], ['Escape', 'close'], ['x', undefined], ['Shift', undefined]])('%s', (key, action) => {
    expect(keyAction(press(key), 'STARLING-PLAYER')).toBe(action);
  });

  it('leaves shortcuts of the browser and of the focused control alone', () => {
    expect(keyAction(press('s', { ctrlKey: true }), 'BODY')).toBeUndefined();
    expect(keyAction(press(' '), 'BUTTON')).toBeUndefined();
    expect(keyAction(press('ArrowUp'), 'INPUT')).toBeUndefined();
    expect(keyAction(press('k'), 'BUTTON')).toBe('play');
  });
});
