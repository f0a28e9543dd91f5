import type { SignalData } from '../tracker/messages.js';
import type { Bytes } from '../wire/bytes.js';
import { expandCandidate, squeezeCandidate } from '../wire/squeezed-candidate.js';
import { expandDescription, squeezeDescription } from '../wire/squeezed-description.js';
import { Link, type LinkContext } from './link.js';

/** Chunks wait while more than this is buffered, and go on when little is left (docs/peer.md, rule 4). */
const HIGH_WATER = 256 << 10;
const LOW_WATER = 16 << 10;
/** So many bytes of control frames unsent end a link. */
const MAX_CONTROL = 1 << 20;
/** Candidates kept before the description comes; a browser gathers a handful. */
const MAX_EARLY_CANDIDATES = 32;
/** A connection whose channel does not close is closed hard after so long. */
const CLOSE_TIMEOUT_MS = 500;

export interface PeerLinkContext extends LinkContext {
  readonly createPeerConnection: (configuration: RTCConfiguration) => RTCPeerConnection;
  readonly iceServers: readonly { readonly urls: string | string[] }[];
  signal(to: string, data: SignalData): void;
}

/**
 * A link to another viewer: one peer connection with two negotiated data
 * channels, `control` (ordered) and `chunks` (unordered). The child makes the
 * offer; candidates trickle through the tracker.
 */
export class PeerLink extends Link {
  private readonly pc: RTCPeerConnection;
  private readonly control: RTCDataChannel;
  private readonly chunks: RTCDataChannel;
  private earlyCandidates: string[] | undefined = [];

  /** @param isOfferer - this viewer is the child and offers. */
  constructor(id: string, readonly isOfferer: boolean, private readonly peerContext: PeerLinkContext) {
    super(id, 'peer', peerContext);
    this.pc = peerContext.createPeerConnection({
      iceServers: peerContext.iceServers.map((s) => ({ urls: s.urls })), bundlePolicy: 'max-bundle',
    });
    this.control = this.pc.createDataChannel('control', { negotiated: true, id: 0, ordered: true });
    this.chunks = this.pc.createDataChannel('chunks', { negotiated: true, id: 1, ordered: false });
    this.chunks.bufferedAmountLowThreshold = LOW_WATER;
    this.chunks.onbufferedamountlow = () => this.context.events.onDrain(this);
    this.control.onopen = this.chunks.onopen = () => {
      if (this.isOpen()) this.opened();
    };
    for (const channel of [this.control, this.chunks]) {
      channel.binaryType = 'arraybuffer';
      channel.onmessage = (event: MessageEvent<unknown>) => this.received(event.data);
      channel.onclose = () => this.dropped('data channel closed');
      channel.onerror = () => undefined; // a close event follows
    }
    this.pc.onicecandidate = (event) => this.trickle(event.candidate);
    this.pc.onconnectionstatechange = () => {
      if (this.pc.connectionState === 'failed' || this.pc.connectionState === 'closed') this.dropped(`connection ${this.pc.connectionState}`);
    };
  }

  get isCongested(): boolean {
    return this.chunks.readyState !== 'open' || this.chunks.bufferedAmount > HIGH_WATER;
  }

  get bufferedBytes(): number {
    return this.chunks.bufferedAmount;
  }

  /** Makes the offer. */
  offer(): void {
    this.negotiate(async () => {
      await this.pc.setLocalDescription(await this.pc.createOffer());
      this.describe('offer');
    });
  }

  /** Answers an offer. */
  answer(squeezed: string): void {
    this.negotiate(async () => {
      await this.setRemote('offer', squeezed);
      await this.pc.setLocalDescription(await this.pc.createAnswer());
      this.describe('answer');
    });
  }

  /** Takes the answer to the offer. */
  accept(squeezed: string): void {
    if (this.isOfferer && this.pc.signalingState === 'have-local-offer') this.negotiate(() => this.setRemote('answer', squeezed));
  }

  /** Takes a candidate of the other side; a bad one is dropped, the others may do. */
  candidate(squeezed: string): void {
    if (this.earlyCandidates !== undefined) {
      if (this.earlyCandidates.length < MAX_EARLY_CANDIDATES) this.earlyCandidates.push(squeezed);
      return;
    }
    const candidate = expandCandidate(squeezed);
    if (candidate === undefined || candidate === '') return; // the end of candidates tells ICE nothing it needs
    this.pc.addIceCandidate({ candidate, sdpMid: '0', sdpMLineIndex: 0 }).catch(() => undefined);
  }

  protected isOpen(): boolean {
    return this.control.readyState === 'open' && this.chunks.readyState === 'open';
  }

  protected transmit(message: Bytes): boolean {
    // It asks and does not read. The caller may be in the midst of a round over all links, so the end comes after it.
    if (this.control.bufferedAmount > MAX_CONTROL) this.context.clock.setTimeout(() => this.giveUp('reads no control frames'), 0);
    return sendOn(this.control, message);
  }

  protected transmitChunk(message: Bytes): boolean {
    return sendOn(this.chunks, message);
  }

  protected shut(): void {
    for (const channel of [this.control, this.chunks]) {
      channel.onopen = channel.onmessage = channel.onclose = channel.onerror = channel.onbufferedamountlow = null;
    }
    this.pc.onicecandidate = this.pc.onconnectionstatechange = null;
    // close() of the connection discards what is still buffered, so BYE gets
    // the time that closing its channel takes.
    const { clock } = this.context;
    const finish = (): void => {
      clock.clearTimeout(timer);
      this.control.onclose = null;
      this.pc.close();
    };
    const timer = clock.setTimeout(finish, CLOSE_TIMEOUT_MS);
    if (this.control.readyState !== 'open') {
      finish();
      return;
    }
    this.control.onclose = finish;
    this.control.close();
  }

  private negotiate(step: () => Promise<void>): void {
    step().catch((error: unknown) => {
      if (this.state !== 'closed') this.dropped(`negotiation: ${String(error)}`);
    });
  }

  private describe(kind: 'offer' | 'answer'): void {
    const squeezed = squeezeDescription(this.pc.localDescription?.sdp ?? '');
    if (squeezed === undefined) throw new Error('this browser\'s description cannot be squeezed');
    this.peerContext.signal(this.id, kind === 'offer' ? { offer: squeezed } : { answer: squeezed });
  }

  private async setRemote(type: 'offer' | 'answer', squeezed: string): Promise<void> {
    const sdp = expandDescription(squeezed);
    if (sdp === undefined) throw new Error(`malformed ${type}`);
    await this.pc.setRemoteDescription({ type, sdp });
    const early = this.earlyCandidates ?? [];
    this.earlyCandidates = undefined;
    for (const candidate of early) this.candidate(candidate);
  }

  private trickle(candidate: RTCIceCandidate | null): void {
    const squeezed = squeezeCandidate(candidate?.candidate ?? '');
    if (squeezed !== undefined) this.peerContext.signal(this.id, { candidate: squeezed });
  }
}

/** Sends unless the channel has closed or its buffer is full, which its close event tells apart. */
function sendOn(channel: RTCDataChannel, message: Bytes): boolean {
  if (channel.readyState !== 'open') return false;
  try {
    channel.send(message);
    return true;
  } catch {
    return false; // OperationError: the send buffer is full; the chunk counts as not sent
  }
}
