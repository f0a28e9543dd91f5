/** Caps the rung while the machine cannot show its pictures, for a while. */
import Hls, { Events } from 'hls.js';
import { droppedShare } from './hls-config';

/** Fewer frames than this in a monitoring period (8 s) are a stall, not a decoder that is too slow. */
const fewFrames = 80;
/** A cap is tried again after so long. */
const capMs = 60_000;

/** Begins. The result ends it. */
export function capOnDrops(hls: Hls): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  // Triggered before hls.js compares the share of dropped frames with this.
  hls.on(Events.FPS_DROP, (_, { currentDecoded }) => (hls.config.fpsDroppedMonitoringThreshold = currentDecoded < fewFrames ? Infinity : droppedShare));
  hls.on(Events.FPS_DROP_LEVEL_CAPPING, () => {
    clearTimeout(timer);
    timer = setTimeout(() => (hls.autoLevelCapping = -1), capMs);
  });
  return () => clearTimeout(timer);
}
