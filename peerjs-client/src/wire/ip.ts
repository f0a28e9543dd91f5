import type { Bytes } from './bytes.js';

const IPV4 = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;

/** Parses an IPv4 or IPv6 address without a zone into 4 or 16 bytes. */
export function parseIp(text: string): Bytes | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** Text of an address; IPv6 in the form of RFC 5952. */
export function formatIp(address: Bytes): string {
  return address.length === 4 ? address.join('.') : formatIpv6(address);
}

/** Whether checks may be sent to the address: not unspecified, multicast, broadcast or IPv4-mapped. */
export function isUsableIp(address: Bytes): boolean {
  if (address.every((b) => b === 0)) return false;
  if (address.length === 4) return ((address[0] ?? 0) & 0xf0) !== 0xe0 && !address.every((b) => b === 0xff);
  const isMapped = address.subarray(0, 10).every((b) => b === 0) && address[10] === 0xff && address[11] === 0xff;
  return address[0] !== 0xff && !isMapped;
}

function parseIpv4(text: string): Bytes | undefined {
  const parts = IPV4.exec(text)?.slice(1).map(Number);
  return parts === undefined || parts.some((n) => n > 255) ? undefined : Uint8Array.from(parts);
}

function parseIpv6(text: string): Bytes | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = [groups(halves[0] ?? ''), groups(halves[1] ?? '')];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const all = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return Uint8Array.from(all.flatMap((g) => [g >> 8, g & 0xff]));
}

/** 16-bit groups of one side of `::`; the last may be written as IPv4. */
function groups(text: string): number[] | undefined {
  if (text === '') return [];
  const out: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    const v4 = i === parts.length - 1 ? parseIpv4(part) : undefined;
    if (v4 !== undefined) out.push((v4[0] ?? 0) * 256 + (v4[1] ?? 0), (v4[2] ?? 0) * 256 + (v4[3] ?? 0));
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) out.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return out;
}

function formatIpv6(address: Bytes): string {
  const all: number[] = [];
  for (let i = 0; i < 16; i += 2) all.push((address[i] ?? 0) * 256 + (address[i + 1] ?? 0));
  // The first longest run of at least two zero groups becomes "::".
  let [at, length] = [-1, 1];
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && all[i + n] === 0) n++;
    if (n > length) [at, length] = [i, n];
  }
  const hex = (from: readonly number[]): string => from.map((g) => g.toString(16)).join(':');
  return at < 0 ? hex(all) : `${hex(all.slice(0, at))}::${hex(all.slice(at + length))}`;
}
