import { describe, expect, it } from 'vitest';
import { recallUplink, rememberUplink, type UplinkStore } from './uplink-memory.js';

function memory(): UplinkStore & { value: string | null } {
  return {
    value: null,
    getItem() {
      return this.value;
    },
    setItem(_, value) {
      this.value = value;
    },
  };
}

const blocked: UplinkStore = {
  getItem: () => {
    throw new Error('SecurityError');
  },
  setItem: () => {
    throw new Error('QuotaExceededError');
  },
};

describe('the remembered uplink', () => {
  it('begins the next session with three quarters', () => {
    const store = memory();
    rememberUplink(store, 8_000_000.5, 1_000);
    expect(recallUplink(store, 2_000)).toBe(6_000_000);
  });

  it('is forgotten after a week, and by a clock that went back', () => {
    const store = memory();
    rememberUplink(store, 8_000_000, 1_000);
    expect(recallUplink(store, 1_000 + 7 * 24 * 3_600_000)).toBe(0);
    expect(recallUplink(store, 999)).toBe(0);
  });

  it.each(['', '@', 'x@1', '-5@1', '1e99@1', '5', 'Infinity@1'])('takes %j for nothing', (value) => {
    const store = memory();
    store.value = value;
    expect(recallUplink(store, 2_000)).toBe(0);
  });

  it('does without a store', () => {
    rememberUplink(undefined, 1, 1);
    rememberUplink(blocked, 1, 1);
    expect([recallUplink(undefined, 1), recallUplink(blocked, 1), recallUplink(memory(), 1)]).toEqual([0, 0, 0]);
  });
});
