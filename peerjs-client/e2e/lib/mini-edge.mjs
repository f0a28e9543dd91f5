// An edge and a tracker in miniature for tests of the engine alone: catalog,
// parts with byte ranges, the feed (docs/peer.md) and signalling
// (docs/tracker.md) with an assignment that the test decides.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { createSigner, varint } from './signer.mjs';

const partMs = 333;
const partsASegment = 6;

export async function startMiniEdge({ tracks, files, assign }) {
  const stream = 'live/demo';
  const signer = createSigner(stream);
  const firstMsn = Math.floor(Date.now() / 2000);
  const parts = new Map();
  const counts = { http: 0, feed: 0, ranges: 0 };
  const feeds = new Set();
  const viewers = new Map();
  const messages = [];
  let made = 0;

  function publish() {
    const msn = firstMsn + Math.floor(made / partsASegment);
    const index = made % partsASegment;
    made++;
    for (const track of tracks) {
      const bytes = randomBytes(Math.round(track.bitrate / 8 / 3 * (0.7 + 0.6 * Math.random())));
      const part = { ...signer.part({ track: track.number, slices: track.slices, msn, index, last: index === partsASegment - 1, bytes }), name: track.name };
      parts.set(`${track.name}/${msn}.${index}.m4s`, part);
      for (const feed of feeds) feed.push(part);
    }
    return { msn, index };
  }

  const http = createServer((request, response) => {
    const path = new URL(request.url, 'http://x').pathname;
    const send = (status, type, body, extra = {}) => response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', ...extra }).end(body);
    if (files[path] !== undefined) return send(200, files[path].type, files[path].body);
    if (path === `/${stream}/catalog.json`) {
      return send(200, 'application/json', JSON.stringify({ id: stream, key: signer.key.toString('base64'), segmentMs: 2000, partMs, tracks, tracker: '' }));
    }
    const part = parts.get(path.slice(stream.length + 2));
    if (part === undefined) return send(404, 'text/plain', 'no such part');
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const body = range === null ? part.bytes : part.bytes.subarray(Number(range[1]), Number(range[2]) + 1);
    counts.http += body.length;
    if (range !== null) counts.ranges++;
    return send(range === null ? 200 : 206, 'video/mp4', body, range === null ? {} : { 'content-range': `bytes ${range[1]}-${range[2]}/${part.bytes.length}` });
  });

  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] ?? false });
  http.on('upgrade', (request, socket, head) => sockets.handleUpgrade(request, socket, head, (ws) => {
    if (request.url === '/tracker') serveTracker(ws);
    else if (request.url === `/feed/${stream}`) serveFeed(ws);
    else ws.close();
  }));

  function serveFeed(ws) {
    const from = new Map(); // track → slice → [msn, index]
    const feed = {
      push(part) {
        const wanted = from.get(part.track);
        const k = tracks.find((t) => t.number === part.track).slices;
        const n = part.chunks.length;
        let isHeaded = false;
        part.chunks.forEach((chunk, i) => {
          const first = wanted?.get(Math.floor(((i + 1) * k - 1) / n));
          if (first === undefined || part.msn < first[0] || (part.msn === first[0] && part.index < first[1])) return;
          if (!isHeaded) ws.send(Buffer.concat([Buffer.from([4]), part.header]));
          isHeaded = true;
          counts.feed += chunk.length;
          ws.send(Buffer.concat([Buffer.from([5]), varint(part.track), varint(part.msn), varint(part.index), varint(i), chunk]));
        });
      },
    };
    ws.on('message', (data) => {
      const fields = readVarints(data.subarray(1));
      if (data[0] === 1) {
        ws.send(Buffer.concat([Buffer.from([1, 1, 0, 4]), Buffer.from('edge'), Buffer.from([stream.length]), Buffer.from(stream)]));
        feeds.add(feed);
      } else if (data[0] === 2) {
        const [track, mask, msn, index] = fields;
        const slices = from.get(track) ?? new Map();
        from.set(track, slices);
        const added = new Map();
        for (let s = 0; s < 16; s++) {
          if ((mask >> s) & 1 && !slices.has(s)) added.set(s, [msn, index]);
        }
        // What is already there of the parts asked for, for the new slices only.
        from.set(track, added);
        if (msn !== 0) for (const part of parts.values()) if (part.track === track) feed.push(part);
        from.set(track, new Map([...slices, ...added]));
      } else if (data[0] === 3) {
        for (let s = 0; s < 16; s++) if ((fields[1] >> s) & 1) from.get(fields[0])?.delete(s);
      } else if (data[0] === 10) {
        ws.send(Buffer.concat([Buffer.from([11]), data.subarray(1)]));
      }
    });
    ws.on('close', () => feeds.delete(feed));
  }

  function serveTracker(ws) {
    let id;
    ws.on('message', (text) => {
      const m = JSON.parse(text);
      messages.push({ from: id, ...m });
      if (m.type === 'join') {
        id = `viewer-${viewers.size + 1}`;
        viewers.set(id, { ws, join: m });
        ws.send(JSON.stringify({ type: 'welcome', id, stream, key: signer.key.toString('base64url'), iceServers: [], beaconMs: 1000, maxPeers: 10, p2p: true }));
        assignAll();
      } else if (m.type === 'signal') {
        viewers.get(m.to)?.ws.send(JSON.stringify({ type: 'signal', from: id, data: m.data }));
      }
    });
    ws.on('close', () => viewers.delete(id));
  }

  function assignAll() {
    for (const [id, plan] of Object.entries(assign([...viewers.keys()]))) {
      viewers.get(id)?.ws.send(JSON.stringify({ type: 'assign', revision: 1, ...plan }));
    }
  }

  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  // Against the clock, so that parts do not drift behind their times.
  const startedAt = Date.now();
  let timer;
  const next = () => {
    timer = setTimeout(() => {
      publish();
      next();
    }, Math.max(0, startedAt + (made + 1) * partMs - Date.now()));
  };
  next();
  return {
    url: `http://localhost:${http.address().port}`, stream, parts, counts, messages, firstMsn, startedAt,
    get made() {
      return made;
    },
    async close() {
      clearTimeout(timer);
      for (const ws of sockets.clients) ws.terminate();
      sockets.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

function readVarints(data) {
  const out = [];
  for (let at = 0; at < data.length;) {
    const size = 1 << (data[at] >> 6);
    if (at + size > data.length) break;
    let value = data[at] & 0x3f;
    for (let i = 1; i < size; i++) value = value * 256 + data[at + i];
    out.push(value);
    at += size;
  }
  return out;
}
