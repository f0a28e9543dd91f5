/** Reads buffered ranges of a media element. */

/** The part of `TimeRanges` that is read. */
export interface Ranges {
  readonly length: number;
  start(index: number): number;
  end(index: number): number;
}

/** Gaps up to this many seconds are played through by browsers. */
const bridgeable = 0.1;

/** End of the range that holds `position`, across bridgeable gaps; undefined when nothing is buffered there. */
export function bufferedEnd(ranges: Ranges, position: number): number | undefined {
  let end: number | undefined;
  for (let i = 0; i < ranges.length; i++) {
    const reach = end ?? position;
    if (ranges.start(i) <= reach + bridgeable && ranges.end(i) > reach) end = ranges.end(i);
  }
  return end;
}
