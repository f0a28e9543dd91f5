// The tracker that p2p-media-loader's viewers meet at, as a process of its own:
// `bittorrent-tracker` over WebSocket on a free port of loopback. The first line
// of its output is the address.
import Server from 'bittorrent-tracker/server';

const server = new Server({ udp: false, http: false, ws: true, stats: false });
server.on('error', (error) => console.error(`tracker: ${error.message}`));
server.on('warning', (warning) => console.error(`tracker: ${warning.message}`));
server.listen(0, '127.0.0.1', () => console.log(`ws://127.0.0.1:${server.ws.address().port}`));
