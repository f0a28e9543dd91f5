import { fromBase64Url, toBase64Url, type Bytes } from './bytes.js';
import { formatIp, isUsableIp, parseIp } from './ip.js';
import { fromHex, MAX_SQUEEZED_TEXT, SQUEEZED_VERSION, toHex } from './squeezed-description.js';
import { ByteReader, ByteWriter } from './varint.js';

const TYPES = ['host', 'srflx', 'prflx', 'relay'] as const;
const UDP = 0;
const MDNS = 0;
const UUID_NAME = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\.local$/i;
const MAX_CANDIDATE = 1_024;

interface Candidate {
  /** Index into TYPES. */
  readonly type: number;
  /** 0 for an mDNS name, 4 or 6: the kind on the wire. */
  readonly kind: number;
  /** 4 or 16 address bytes, or the 16 of the UUID. */
  readonly address: Bytes;
  readonly port: number;
  readonly priority: number;
}

/**
 * Turns a candidate attribute into its squeezed text. The empty string, which
 * ends the candidates, stays empty.
 * @returns undefined for a candidate that is malformed, or sound but not carried (TCP, a component other than 1, a zone).
 */
export function squeezeCandidate(attribute: string): string | undefined {
  if (attribute === '') return '';
  const c = parseAttribute(attribute);
  if (c === undefined || !isSound(c)) return undefined;
  const w = new ByteWriter(26).byte(SQUEEZED_VERSION).byte(c.type).byte(UDP).byte(c.kind).raw(c.address);
  return toBase64Url(w.uint16(c.port).uint32(c.priority).finish());
}

/** Turns squeezed text into a candidate attribute; undefined when it is malformed. The empty string stays empty. */
export function expandCandidate(text: string): string | undefined {
  if (text === '') return '';
  const c = parseSqueezed(text);
  if (c === undefined || !isSound(c)) return undefined;
  const address = c.kind === MDNS ? uuidName(c.address) : formatIp(c.address);
  const attribute = `candidate:${foundation(c)} 1 udp ${c.priority} ${address} ${c.port} typ ${TYPES[c.type] ?? ''}`;
  // RFC 8839 section 5.1 wants a related address for every type but host;
  // unspecified is what browsers write when they hide it.
  if (c.type === 0) return attribute;
  return `${attribute} raddr ${c.kind === 4 ? '0.0.0.0' : '::'} rport 0`;
}

function parseAttribute(text: string): Candidate | undefined {
  if (text.length > MAX_CANDIDATE) return undefined;
  // foundation component transport priority address port "typ" type
  const [, component, transport = '', priority = '', address = '', port = '', typ, type] =
    text.replace(/^a=/, '').replace(/^candidate:/, '').trim().split(/\s+/);
  if (typ !== 'typ' || component !== '1' || transport.toLowerCase() !== 'udp') return undefined;
  if (!/^\d{1,10}$/.test(priority) || !/^\d{1,5}$/.test(port)) return undefined;
  const rest = { type: TYPES.findIndex((t) => t === type), port: Number(port), priority: Number(priority) };
  if (address.endsWith('.local')) {
    const uuid = UUID_NAME.exec(address);
    const bytes = uuid === null ? undefined : fromHex(uuid.slice(1).join(''));
    return bytes && { ...rest, kind: MDNS, address: bytes };
  }
  const ip = parseIp(address);
  return ip && { ...rest, kind: ip.length === 4 ? 4 : 6, address: ip };
}

function parseSqueezed(text: string): Candidate | undefined {
  const bytes = text.length <= MAX_SQUEEZED_TEXT ? fromBase64Url(text) : undefined;
  if (bytes === undefined) return undefined;
  const r = new ByteReader(bytes);
  const version = r.byte();
  const type = r.byte();
  const protocol = r.byte();
  const kind = r.byte();
  const address = r.take(kind === 4 ? 4 : 16);
  const port = r.uint16();
  const priority = r.uint32();
  const isKnown = version === SQUEEZED_VERSION && protocol === UDP && (kind === MDNS || kind === 4 || kind === 6);
  return r.failed || !isKnown ? undefined : { type, kind, address, port, priority };
}

/** Refuses what would send checks to a group or to nowhere, and addresses that have two text forms. */
function isSound(c: Candidate): boolean {
  if (TYPES[c.type] === undefined || c.port < 1 || c.port > 0xffff || c.priority > 0xffff_ffff) return false;
  return c.kind === MDNS ? c.type === 0 : isUsableIp(c.address);
}

/**
 * Must be equal only for candidates of one type and base (RFC 8445 section
 * 5.1.1.3). The base is not carried; FNV-1a over type and address is the
 * nearest that both sides can compute.
 */
function foundation(c: Candidate): number {
  let hash = 0x811c9dc5;
  for (const b of [c.type, c.kind, ...c.address]) hash = Math.imul(hash ^ b, 0x01000193);
  return hash >>> 0;
}

function uuidName(id: Bytes): string {
  const hex = toHex(id);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}.local`;
}
