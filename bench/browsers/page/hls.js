// hls.js as it comes, low-latency mode on, which is its default.
import Hls from 'hls.js';
import { keepErrors, options, video } from './options.js';

const hls = new Hls({ lowLatencyMode: true, ...options.hls });
keepErrors(hls, Hls);
hls.loadSource(options.source);
hls.attachMedia(video);
