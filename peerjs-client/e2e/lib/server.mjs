// The built binary as operators run it: one process, or origin, edge and
// tracker apart, on free ports with a state directory of its own.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { start, until } from './process.mjs';

export const binary = process.env.STARLING_BIN ?? fileURLToPath(new URL('../../../bin/starling', import.meta.url));

/** A port of loopback that nobody uses now. */
export async function freePort() {
  // A number that is free for TCP and for UDP, since some listeners are the one and some the other.
  for (;;) {
    const tcp = createServer().listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const { port } = tcp.address();
    const udp = createSocket('udp4');
    const free = await new Promise((done) => {
      udp.once('error', () => done(false));
      udp.bind(port, '127.0.0.1', () => done(true));
    });
    await new Promise((done) => tcp.close(done));
    if (!free) continue;
    await new Promise((done) => udp.close(done));
    return port;
  }
}

const roles = ['up', 'origin', 'edge', 'tracker'];

/**
 * Starts Starling; `rolesApart` runs one process a role, with the tracker on its own listener. `settings` are further
 * KEY=VALUE pairs of the configuration.
 */
export async function startServer({ rolesApart = false, settings = [] } = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'starling-e2e-'));
  const names = ['rtmp', 'relay', 'http', 'https', 'stun', 'tracker', 'originAdmin', 'edgeAdmin', 'trackerAdmin', 'edgeRelay'];
  const ports = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await freePort()])));
  const config = (node, admin, relayPort) => `
node: ${node}
state_dir: ${join(dir, 'state')}
origin: {rtmp_listen: "127.0.0.1:${ports.rtmp}"}
relay: {listen: "127.0.0.1:${relayPort}", upstreams: ${rolesApart && node !== 'origin' ? `["127.0.0.1:${ports.relay}"]` : '[]'}}
edge:
  listen: "127.0.0.1:${ports.http}"
  tls_listen: "127.0.0.1:${ports.https}"
  tracker_url: "${rolesApart ? `ws://127.0.0.1:${ports.tracker}/tracker` : ''}"
tracker: {listen: "127.0.0.1:${ports.tracker}"}
stun: {listen: "127.0.0.1:${ports.stun}"}
admin: {listen: "127.0.0.1:${admin}"}
`;
  const launch = async (role) => {
    const admin = role === 'edge' ? ports.edgeAdmin : role === 'tracker' ? ports.trackerAdmin : ports.originAdmin;
    const file = join(dir, `${role}.yaml`);
    await writeFile(file, config(role, admin, role === 'edge' ? ports.edgeRelay : ports.relay));
    const child = start(`starling ${role}`, binary, [role, '--config', file, ...settings.flatMap((setting) => ['--set', setting])]);
    await until(`starling ${role} to be healthy`, async () => {
      if (child.child.exitCode !== null) throw new Error(`it exited:\n${child.output()}`);
      return (await fetch(`http://127.0.0.1:${admin}/healthz`)).ok;
    });
    return child;
  };
  const running = new Map();
  for (const role of rolesApart ? roles.slice(1) : roles.slice(0, 1)) running.set(role, await launch(role));

  const admin = `http://127.0.0.1:${rolesApart ? ports.trackerAdmin : ports.originAdmin}`;
  return {
    ports,
    http: `http://localhost:${ports.http}`,
    https: `https://localhost:${ports.https}`,
    admin,
    publishUrl: (stream) => `rtmp://127.0.0.1:${ports.rtmp}/${stream}`,
    /** What the operators' API says of all streams. */
    streams: async () => (await fetch(`${admin}/api/v1/streams`)).json(),
    output: () => [...running.values()].map((child) => `--- ${child.name}\n${child.output()}`).join('\n'),
    async killTracker() {
      running.get('tracker').kill('SIGKILL');
      await running.get('tracker').exited;
    },
    async startTracker() {
      running.set('tracker', await launch('tracker'));
    },
    /** Stops everything and says which processes had to be forced. */
    async stop() {
      const forced = [];
      for (const child of running.values()) if (!(await child.stop())) forced.push(child.name);
      await rm(dir, { recursive: true, force: true });
      return forced;
    },
  };
}
