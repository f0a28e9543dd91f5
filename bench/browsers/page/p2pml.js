// p2p-media-loader around hls.js, as its documentation shows, with the settings
// that it is given.
import Hls from 'hls.js';
import { HlsJsP2PEngine } from 'p2p-media-loader-hlsjs';
import { keepErrors, options, video } from './options.js';
import { mendingLoader } from './playlist-mend.js';

const Player = HlsJsP2PEngine.injectMixin(Hls);
const core = { ...options.core };
// Viewers that all ask the server at the same moment have nothing to share: the spread makes one of them the first.
if (options.spread) core.highDemandTimeWindow += Math.random() * options.spread;
const counts = { http: 0, peers: 0, uploaded: 0, connected: 0, errors: 0, highDemandTimeWindow: core.highDemandTimeWindow };
window.p2pml = counts;

const hls = new Player({
  ...(options.mend === 'none' ? {} : { loader: mendingLoader(Hls.DefaultConfig.loader, options.mend) }),
  ...options.hls,
  p2p: {
    core,
    onHlsJsCreated(created) {
      const on = (name, listener) => created.p2pEngine.addEventListener(name, listener);
      on('onChunkDownloaded', (bytes, source) => (counts[source === 'p2p' ? 'peers' : 'http'] += bytes));
      on('onChunkUploaded', (bytes) => (counts.uploaded += bytes));
      on('onPeerConnect', () => counts.connected++);
      on('onPeerClose', () => counts.connected--);
      on('onSegmentError', () => counts.errors++);
    },
  },
});
keepErrors(hls, Hls);
hls.loadSource(options.source);
hls.attachMedia(video);
