// The clock in the picture: 40 bits of Unix milliseconds as black and white
// cells along the top edge, and under them the same bits inverted, so that a
// misread is noticed. Cells are 1/40 of the width, large enough to survive the
// lowest rung. Drawn by clock-source.mjs, read in the page by probe.mjs.

export const bits = 40;
export const width = 640;
export const height = 360;
export const cell = width / bits;

/** Draws the time into the luma plane of a 640x360 picture. */
export function drawClock(luma, unixMs) {
  for (let i = 0; i < bits; i++) {
    const bit = Math.floor(unixMs / 2 ** (bits - 1 - i)) % 2;
    for (let row = 0; row < 2; row++) {
      const value = bit === 1 - row ? 235 : 16;
      for (let y = row * cell; y < (row + 1) * cell; y++) luma.fill(value, y * width + i * cell, y * width + (i + 1) * cell);
    }
  }
}

/**
 * Reads the time from RGBA pixels of the clock strip scaled to
 * `columns * bits` x `2 * rows`; undefined when the two rows disagree.
 * Self-contained: it is also sent to the page as text.
 */
export function readClock(rgba, stripWidth, stripHeight, bitCount) {
  const at = (x, y) => rgba[(y * stripWidth + x) * 4 + 1];
  let value = 0;
  for (let i = 0; i < bitCount; i++) {
    const x = Math.floor(((i + 0.5) * stripWidth) / bitCount);
    const upper = at(x, Math.floor(stripHeight / 4)) > 128;
    const lower = at(x, Math.floor((3 * stripHeight) / 4)) > 128;
    if (upper === lower) return undefined;
    value = value * 2 + (upper ? 1 : 0);
  }
  return value;
}
