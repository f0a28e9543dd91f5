// The settings under which p2p-media-loader 2.3.1 does best on a live stream, by
// tune.mjs; docs/comparison.md says how they were found. What each is for:
//
// segmentSeconds        shorter segments reach the viewers earlier and leave more time
//                       to get them from a peer, with more requests
// highDemandTimeWindow  seconds before the playhead from which a segment is taken by
//                       HTTP at once. Above (latency - segment) that is everything, by
//                       default 15 s; near 0 playback stalls
// spread                each viewer draws its own window up to so many seconds larger,
//                       so that not all ask the server at the same moment
// mend                  how the playlist is changed, see page/playlist-mend.js
// simultaneous*         a segment that waits for a free slot is a segment by HTTP
// hls.*                 hls.js alone never comes back after a stall: it catches up at
//                       1.1 times the speed, and jumps from 4 s behind its target

/** The settings for a playhead `latency` seconds behind the newest segment's end. */
export function tuned(latency) {
  const segmentSeconds = 1;
  return settings({ latency, segmentSeconds, highDemand: Math.min(0.25 * Math.max(0.4, latency - segmentSeconds), 1), spread: 0 });
}

/** All settings from the few that matter. */
export function settings({ latency, segmentSeconds, highDemand, spread, mend = 'whole', http = 2, p2p = 5 }) {
  return {
    segmentSeconds,
    hls: { lowLatencyMode: mend === 'whole', liveSyncDuration: latency, liveMaxLatencyDuration: latency + 4, maxLiveSyncPlaybackRate: 1.1, maxBufferLength: 30 },
    core: { highDemandTimeWindow: highDemand, httpDownloadTimeWindow: 60, p2pDownloadTimeWindow: 60, simultaneousHttpDownloads: http, simultaneousP2PDownloads: p2p },
    spread,
    mend,
  };
}
