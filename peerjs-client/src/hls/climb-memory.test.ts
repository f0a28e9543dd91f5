import { describe, expect, it } from 'vitest';
import { ClimbMemory } from './climb-memory';

describe('ClimbMemory', () => {
  it('believes what lets the next rung be tried, however far above it is', () => {
    const memory = new ClimbMemory();
    expect(memory.believed(0, 400_000, 1_500_000) * 0.7).toBeGreaterThan(1_500_000);
    expect(memory.believed(0, 1_500_000, 2_000_000)).toBe(4_500_000);
    expect(memory.believed(0, 1_500_000, undefined)).toBe(4_500_000);
  });

  it('keeps a rung that was too much out of reach for a while, longer each time', () => {
    const memory = new ClimbMemory();
    const reaches = (now: number) => memory.believed(now, 1_500_000, 3_000_000) * 0.7 >= 3_000_000;
    expect(reaches(0)).toBe(true);
    memory.noteFall(10, 3_000_000);
    expect(reaches(39)).toBe(false);
    expect(reaches(40)).toBe(true);
    memory.noteFall(45, 3_000_000);
    expect(reaches(104)).toBe(false);
    expect(reaches(105)).toBe(true);
    for (let now = 110; now < 3000; now += 10) if (reaches(now)) memory.noteFall(now, 3_000_000);
    expect(reaches(3300)).toBe(true);
    memory.noteFall(10_000, 3_000_000); // long after
    expect(reaches(10_031)).toBe(true);
  });

  it('does not hold back lower rungs, nor one that plays all the same', () => {
    const memory = new ClimbMemory();
    memory.noteFall(0, 3_000_000);
    expect(memory.believed(1, 500_000, 1_500_000) * 0.7).toBeGreaterThan(1_500_000);
    expect(memory.believed(1, 3_000_000, undefined)).toBe(9_000_000);
  });
});
