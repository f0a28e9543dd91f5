/** What the player tells about the viewer's experience, for beacons. */
export class Qoe {
  stalls = 0;
  stallMs = 0;
  startupMs: number | undefined;
  latencyMs: number | undefined;
  bufferMs = 0;
  droppedFrames = 0;
}
