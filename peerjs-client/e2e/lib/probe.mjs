// What the test itself measures in a page, independent of the player's own
// counters: the clock in the picture, progress of playback, data channel bytes
// by getStats, and the media that reaches the decoder.
import { bits, height, cell, readClock } from './clock.mjs';

/**
 * The script to run in a page before any of its own. `mediaChannel` is the label of the data channels that carry media;
 * null for players that use one channel for all.
 */
export function probeScript({ mediaChannel = 'chunks' } = {}) {
  return `(${install})(${readClock}, ${bits}, ${(2 * cell) / height}, ${JSON.stringify(mediaChannel)})`;
}

function install(read, bitCount, stripShare, mediaChannel) {
  const probe = { latencies: [], stalls: [], waiting: 0, appended: [], channels: new Map(), connections: [] };
  Object.defineProperty(window, 'probe', { value: probe });

  const Native = window.RTCPeerConnection;
  if (Native) {
    window.RTCPeerConnection = class extends Native {
      constructor(...args) {
        super(...args);
        probe.connections.push(this);
      }
    };
  }
  const poll = async () => {
    await Promise.all(probe.connections.map(async (connection, index) => {
      if (connection.connectionState === 'closed') return;
      for (const entry of (await connection.getStats()).values()) {
        if (entry.type === 'data-channel') probe.channels.set(`${index}/${entry.id}`, { label: entry.label, received: entry.bytesReceived, sent: entry.bytesSent });
      }
    }));
  };
  /** Bytes received on the channels that carry media. */
  probe.dataChannelBytes = async () => {
    await poll();
    let sum = 0;
    for (const { label, received } of probe.channels.values()) if (mediaChannel === null || label === mediaChannel) sum += received;
    return sum;
  };
  /** Bytes on all channels, media or not, and how many connections are open. */
  probe.channelTotals = async () => {
    await poll();
    const totals = { received: 0, sent: 0, connected: probe.connections.filter((connection) => connection.connectionState === 'connected').length };
    for (const { received, sent } of probe.channels.values()) {
      totals.received += received;
      totals.sent += sent;
    }
    return totals;
  };
  // So that connections which close between two questions are counted. While probe.paused, the probe costs nothing.
  setInterval(() => void (probe.paused || poll().catch(() => {})), 500);

  // For browsers whose network events carry no sizes (Firefox over BiDi): what the network stack reports to the page.
  const edge = { http: 0, feed: 0, requests: 0 };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      edge.requests++;
      if (entry.name.split('?')[0].endsWith('.m4s')) edge.http += entry.encodedBodySize;
    }
  }).observe({ type: 'resource', buffered: true });
  const NativeSocket = window.WebSocket;
  window.WebSocket = class extends NativeSocket {
    constructor(url, protocols) {
      super(url, protocols);
      if (String(url).includes('/feed/')) this.addEventListener('message', ({ data }) => (edge.feed += data.byteLength ?? data.size ?? 0));
    }
  };
  probe.edge = edge;

  const append = SourceBuffer.prototype.appendBuffer;
  SourceBuffer.prototype.appendBuffer = function (data) {
    if (probe.keepAppended) {
      const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
      probe.appended.push(bytes.slice());
    }
    return append.call(this, data);
  };
  /** SHA-256 of every mdat payload that went to the decoder since the last call, hex. */
  probe.takeAppended = async () => {
    const out = [];
    for (const bytes of probe.appended.splice(0)) {
      const view = new DataView(bytes.buffer);
      for (let at = 0; at + 8 <= bytes.length; ) {
        const size = view.getUint32(at);
        if (size < 8) break;
        if (view.getUint32(at + 4) === 0x6d646174) {
          const digest = await crypto.subtle.digest('SHA-256', bytes.subarray(at + 8, at + size));
          out.push([...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, '0')).join(''));
        }
        at += size;
      }
    }
    return out;
  };

  const canvas = document.createElement('canvas');
  canvas.width = bitCount * 8;
  canvas.height = 16;
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const watched = new WeakSet();
  const watch = (video) => {
    watched.add(video);
    let sampledAt = 0;
    const onFrame = (now) => {
      video.requestVideoFrameCallback(onFrame);
      probe.frames = (probe.frames ?? 0) + 1;
      if (probe.paused || now - sampledAt < 200) return;
      sampledAt = now;
      pen.drawImage(video, 0, 0, video.videoWidth, video.videoHeight * stripShare, 0, 0, canvas.width, canvas.height);
      const shown = Date.now();
      const drawn = read(pen.getImageData(0, 0, canvas.width, canvas.height).data, canvas.width, canvas.height, bitCount);
      if (drawn !== undefined) probe.latencies.push({ at: shown, ms: (shown % 2 ** bitCount) - drawn, height: video.videoHeight });
    };
    video.requestVideoFrameCallback(onFrame);
    let position = -1;
    let movedAt = 0;
    let stalled = false;
    setInterval(() => {
      const now = performance.now();
      if (video.currentTime !== position || video.paused) {
        if (stalled) probe.stalls.at(-1).ms = now - movedAt;
        position = video.currentTime;
        movedAt = now;
        stalled = false;
      } else if (stalled) {
        probe.stalls.at(-1).ms = now - movedAt;
      } else if (probe.started && now - movedAt > 300) {
        stalled = true;
        probe.stalls.push({ at: Date.now(), from: Date.now() - (now - movedAt), ms: now - movedAt, position });
      }
      if (position > 0 && !probe.started) {
        probe.started = true;
        probe.startedAfterMs = now;
      }
    }, 50);
    video.addEventListener('waiting', () => probe.started && probe.waiting++);
  };
  // The player's video lives in a shadow root: it is found when it starts to load.
  const nativeLoad = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'src');
  const seen = (media) => media instanceof HTMLVideoElement && !watched.has(media) && watch(media);
  Object.defineProperty(HTMLMediaElement.prototype, 'src', {
    ...nativeLoad,
    set(value) {
      seen(this);
      nativeLoad.set.call(this, value);
    },
  });
  for (const method of ['load', 'play']) {
    const original = HTMLMediaElement.prototype[method];
    HTMLMediaElement.prototype[method] = function (...args) {
      seen(this);
      return original.apply(this, args);
    };
  }
}

/** Removes WebRTC from a page, as a hardened browser would. */
export const withoutWebRtc = `delete window.RTCPeerConnection; delete window.webkitRTCPeerConnection; delete window.RTCDataChannel;`;

/** Makes a page send altered chunks: one byte of every CHUNK frame (type 5, docs/peer.md) is flipped. */
export const liar = `{
  const send = RTCDataChannel.prototype.send;
  window.lies = 0;
  RTCDataChannel.prototype.send = function (data) {
    const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice() : data instanceof ArrayBuffer ? new Uint8Array(data.slice(0)) : undefined;
    if (bytes !== undefined && bytes[0] === 5 && bytes.length > 200) {
      bytes[bytes.length - 100] ^= 0x55;
      window.lies++;
      return send.call(this, bytes);
    }
    return send.call(this, data);
  };
}`;

/** Makes a page send random bytes, small and oversized, on its data channels beside what it should send. */
export const garbler = `{
  const send = RTCDataChannel.prototype.send;
  window.garbled = 0;
  let calls = 0;
  RTCDataChannel.prototype.send = function (data) {
    send.call(this, data);
    if (++calls % 5 !== 0) return;
    const garbage = new Uint8Array([1, 50, 1000, 60000][calls % 4]);
    crypto.getRandomValues(garbage.subarray(0, 1000));
    window.garbled++;
    send.call(this, garbage);
  };
}`;
