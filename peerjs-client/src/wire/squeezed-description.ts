import { fromBase64Url, toBase64Url, type Bytes } from './bytes.js';
import { ByteReader, ByteWriter } from './varint.js';

/** First byte of both squeezed forms. */
export const SQUEEZED_VERSION = 1;
/** Longest squeezed description or candidate as carried, in characters. */
export const MAX_SQUEEZED_TEXT = 200;

const MAX_SDP = 16 << 10;
const SHA_256 = 1;
const FINGERPRINT_SIZE = 32;
const SETUPS = ['actpass', 'active', 'passive'] as const;
/** ICE credentials (RFC 8839 section 5.4); the upper bounds keep a description within MAX_SQUEEZED_TEXT. */
const UFRAG = /^[A-Za-z0-9+/]{4,32}$/;
const PWD = /^[A-Za-z0-9+/]{22,80}$/;

interface Description {
  readonly setup: number;
  readonly ufrag: string;
  readonly pwd: string;
  readonly fingerprint: Bytes;
}

/** Turns a session description into its squeezed text; undefined when a field is missing or out of bounds. */
export function squeezeDescription(sdp: string): string | undefined {
  const d = parseSdp(sdp);
  if (d === undefined || !isSound(d)) return undefined;
  const bytes = new ByteWriter(96).byte(SQUEEZED_VERSION).byte(d.setup)
    .raw(prefixed(d.ufrag)).raw(prefixed(d.pwd)).byte(SHA_256).raw(d.fingerprint).finish();
  return toBase64Url(bytes);
}

/** Turns squeezed text into a session description to set as remote; undefined when it is malformed. */
export function expandDescription(text: string): string | undefined {
  const d = parseSqueezed(text);
  return d !== undefined && isSound(d) ? toSdp(d) : undefined;
}

function parseSdp(sdp: string): Description | undefined {
  if (sdp.length > MAX_SDP) return undefined;
  // An attribute may stand at session or media level (Firefox and pion put the
  // fingerprint at session level); the later one, of the media, wins.
  const found = new Map<string, string>();
  let sections = 0;
  for (const line of sdp.split(/\r?\n/)) {
    if (line.startsWith('m=')) {
      sections++;
      if (!line.startsWith('m=application ')) return undefined;
    }
    const attribute = /^a=([a-z-]+):(.*)$/.exec(line);
    if (attribute === null) continue;
    const [, name = '', value = ''] = attribute;
    if (name === 'fingerprint' && !/^sha-256 /i.test(value)) continue;
    found.set(name, value);
  }
  if (sections !== 1) return undefined;
  const fingerprint = fromHex((found.get('fingerprint') ?? '').replace(/^\S+ /, '').replaceAll(':', ''));
  if (fingerprint === undefined) return undefined;
  const setup = SETUPS.findIndex((name) => name === found.get('setup'));
  return { setup, ufrag: found.get('ice-ufrag') ?? '', pwd: found.get('ice-pwd') ?? '', fingerprint };
}

function parseSqueezed(text: string): Description | undefined {
  const bytes = text.length <= MAX_SQUEEZED_TEXT ? fromBase64Url(text) : undefined;
  if (bytes === undefined) return undefined;
  const r = new ByteReader(bytes);
  if (r.byte() !== SQUEEZED_VERSION) return undefined;
  const setup = r.byte();
  const ufrag = latin(r.take(r.byte()));
  const pwd = latin(r.take(r.byte()));
  const algorithm = r.byte();
  const fingerprint = r.take(FINGERPRINT_SIZE);
  return r.failed || algorithm !== SHA_256 ? undefined : { setup, ufrag, pwd, fingerprint };
}

/** The credentials are written into SDP text: a stray line break would let a peer inject attributes. */
function isSound(d: Description): boolean {
  return SETUPS[d.setup] !== undefined && d.fingerprint.length === FINGERPRINT_SIZE && UFRAG.test(d.ufrag) && PWD.test(d.pwd);
}

function toSdp(d: Description): string {
  const fingerprint = Array.from(d.fingerprint, (b) => b.toString(16).padStart(2, '0').toUpperCase()).join(':');
  return [
    'v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0',
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'c=IN IP4 0.0.0.0',
    `a=ice-ufrag:${d.ufrag}`, `a=ice-pwd:${d.pwd}`, 'a=ice-options:trickle',
    `a=fingerprint:sha-256 ${fingerprint}`, `a=setup:${SETUPS[d.setup] ?? ''}`,
    'a=mid:0', 'a=sctp-port:5000', 'a=max-message-size:262144', '',
  ].join('\r\n');
}

/** A text with its length as one byte. */
function prefixed(text: string): Bytes {
  const w = new ByteWriter(text.length + 1).byte(text.length);
  for (let i = 0; i < text.length; i++) w.byte(text.charCodeAt(i));
  return w.finish();
}

function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Decodes hex; undefined when it is not an even number of digits. */
export function fromHex(hex: string): Bytes | undefined {
  if (!/^([0-9a-fA-F]{2})*$/.test(hex)) return undefined;
  const out = new Uint8Array(hex.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return out;
}

/** Encodes bytes as lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}
