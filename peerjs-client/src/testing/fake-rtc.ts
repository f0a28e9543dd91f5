import type { Clock } from '../clock.js';

/** Peer connections of one test, joined in memory. */
export class FakeNetwork {
  readonly all = new Map<string, FakePeerConnection>();
  /** Owners whose packets vanish, both ways, without any notice. */
  readonly dead = new Set<string>();
  /** Alters a message that `owner` sends. */
  tamper: (owner: string, label: string, data: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> = (_, __, data) => data;
  /** Messages that `owner` sends and that never arrive. */
  drops: (owner: string, to: string, data: Uint8Array<ArrayBuffer>) => boolean = () => false;
  latencyMs = 5;
  private made = 0;

  constructor(readonly clock: Clock) {}

  /** A factory for the engine of `owner`. */
  factory(owner: string): () => RTCPeerConnection {
    return () => {
      const id = `u${String(++this.made).padStart(5, '0')}`;
      const pc = new FakePeerConnection(this, owner, id);
      this.all.set(id, pc);
      return pc as unknown as RTCPeerConnection;
    };
  }

  open(owner: string): number {
    return [...this.all.values()].filter((pc) => pc.owner === owner && pc.connectionState !== 'closed').length;
  }
}

class FakeChannel {
  readyState = 'connecting';
  binaryType = 'blob';
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { readonly data: ArrayBuffer }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  onbufferedamountlow: (() => void) | null = null;

  constructor(private readonly pc: FakePeerConnection, readonly label: string, readonly id: number) {}

  send(data: Uint8Array<ArrayBuffer>): void {
    if (this.readyState !== 'open') throw new Error('InvalidStateError');
    this.pc.carry(this, data.slice());
  }

  close(): void {
    if (this.readyState === 'closed') return;
    this.pc.closeRemote(this.id);
    this.closed();
  }

  closed(): void {
    if (this.readyState === 'closed') return;
    this.readyState = 'closed';
    this.onclose?.();
  }
}

class FakePeerConnection {
  connectionState = 'new';
  signalingState = 'stable';
  localDescription: { readonly type: string; readonly sdp: string } | null = null;
  onicecandidate: ((event: { readonly candidate: { readonly candidate: string } | null }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  readonly candidates: string[] = [];
  private readonly channels: FakeChannel[] = [];
  private remote: FakePeerConnection | undefined;

  constructor(private readonly network: FakeNetwork, readonly owner: string, private readonly ufrag: string) {}

  createDataChannel(label: string, init: { readonly id: number }): FakeChannel {
    const channel = new FakeChannel(this, label, init.id);
    this.channels.push(channel);
    return channel;
  }

  createOffer(): Promise<{ type: string; sdp: string }> {
    return Promise.resolve({ type: 'offer', sdp: this.sdp('actpass') });
  }

  createAnswer(): Promise<{ type: string; sdp: string }> {
    return Promise.resolve({ type: 'answer', sdp: this.sdp('active') });
  }

  setLocalDescription(d: { type: string; sdp: string }): Promise<void> {
    this.localDescription = d;
    this.signalingState = d.type === 'offer' ? 'have-local-offer' : 'stable';
    this.network.clock.setTimeout(() => {
      this.onicecandidate?.({ candidate: { candidate: 'candidate:1 1 udp 1 192.0.2.1 5000 typ host' } });
      this.onicecandidate?.({ candidate: null });
    }, 1);
    this.connect();
    return Promise.resolve();
  }

  setRemoteDescription(d: { type: string; sdp: string }): Promise<void> {
    const ufrag = /a=ice-ufrag:(\S+)/.exec(d.sdp)?.[1] ?? '';
    this.remote = this.network.all.get(ufrag);
    if (this.remote === undefined) return Promise.reject(new Error('unknown ufrag'));
    this.signalingState = d.type === 'offer' ? 'have-remote-offer' : 'stable';
    this.connect();
    return Promise.resolve();
  }

  addIceCandidate(c: { readonly candidate: string }): Promise<void> {
    this.candidates.push(c.candidate);
    return Promise.resolve();
  }

  carry(channel: FakeChannel, data: Uint8Array<ArrayBuffer>): void {
    const { network, remote } = this;
    if (network.drops(this.owner, remote?.owner ?? '', data)) return;
    const sent = network.tamper(this.owner, channel.label, data);
    network.clock.setTimeout(() => {
      const to = remote?.channels.find((c) => c.id === channel.id);
      const isLost = network.dead.has(this.owner) || network.dead.has(remote?.owner ?? '');
      if (to?.readyState === 'open' && !isLost) to.onmessage?.({ data: sent.buffer });
    }, network.latencyMs);
  }

  closeRemote(id: number): void {
    const { network, remote } = this;
    if (network.dead.has(this.owner)) return;
    network.clock.setTimeout(() => remote?.channels.find((c) => c.id === id)?.closed(), network.latencyMs);
  }

  /** The data channel of this label, for tests that send on it themselves. */
  channel(label: string): FakeChannel | undefined {
    return this.channels.find((c) => c.label === label);
  }

  close(): void {
    if (this.connectionState === 'closed') return;
    this.connectionState = 'closed';
    for (const channel of this.channels) channel.close();
  }

  private connect(): void {
    const { remote } = this;
    if (remote?.remote !== this || this.localDescription === null || remote.localDescription === null) return;
    if (this.signalingState !== 'stable' || remote.signalingState !== 'stable') return;
    this.network.clock.setTimeout(() => {
      for (const pc of [this, remote]) {
        if (pc.connectionState === 'closed') continue;
        pc.connectionState = 'connected';
        for (const channel of pc.channels) {
          channel.readyState = 'open';
          channel.onopen?.();
        }
      }
    }, 2 * this.network.latencyMs);
  }

  private sdp(setup: string): string {
    const fingerprint = Array.from({ length: 32 }, () => 'AB').join(':');
    return ['v=0', 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel', `a=ice-ufrag:${this.ufrag}`, 'a=ice-pwd:abcdefghijklmnopqrstuvwx',
      `a=fingerprint:sha-256 ${fingerprint}`, `a=setup:${setup}`, ''].join('\r\n');
  }
}
