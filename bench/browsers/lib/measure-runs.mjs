// Runs a list of runs one after the other, on a broadcast that is started anew
// only where the runs need other segments or parts.
import { startBroadcast } from '../../../peerjs-client/e2e/lib/broadcast.mjs';
import { onCleanup } from './cleanup.mjs';
import { startMediamtx } from './mediamtx.mjs';
import { startPages } from './pages.mjs';
import { toResult } from './result.mjs';
import { run as measureOne } from './run.mjs';

/** `runs` as plan.mjs makes them; `onResult(run, result, outcome)` is awaited after each. */
export async function measureRuns(runs, { bitrate, ladder, seconds, warmup, cost }, { onStart, onResult }) {
  const pages = await startPages();
  const closePages = onCleanup(() => pages.close());
  let broadcast;
  let stopBroadcast = async () => {};
  try {
    for (const [index, run] of runs.entries()) {
      const wanted = JSON.stringify(run.content);
      if (broadcast?.content !== wanted) {
        await stopBroadcast();
        broadcast = { content: wanted, pages, ...(await startContent(run.content, { bitrate, ladder })) };
        stopBroadcast = onCleanup(broadcast.stop);
      }
      onStart(run, index + 1);
      const outcome = await measureOne({ player: run.player, viewers: run.viewers, warmup, seconds, cost, broadcast });
      await onResult(run, toResult(run.player, run.viewers, outcome), outcome);
    }
  } finally {
    await stopBroadcast();
    await closePages();
  }
}

function startContent({ server, partMs, segmentSeconds }, { bitrate, ladder }) {
  if (server === 'mediamtx') return startMediamtx({ partMs, segmentSeconds, bitrate });
  return startBroadcast({
    settings: [`origin.segment_duration=${segmentSeconds}s`, `origin.part_duration=${partMs}ms`, `origin.transcode=${ladder}`, 'log.level=warn'],
    bitrate,
    keyFrameSeconds: segmentSeconds,
    tracks: ladder ? 4 : 2,
  });
}
