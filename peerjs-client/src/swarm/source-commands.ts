import { comparePart, type PartId } from './part-id.js';

/** A change of subscription for the shell to send. */
export interface SourceCommand {
  readonly kind: 'subscribe' | 'unsubscribe';
  readonly id: string;
  readonly slice: number;
  /** First part wanted; `NEXT_PART`: from the next one. */
  readonly from: PartId;
}

/** The same change for all slices of a mask: one frame. */
export interface MergedCommand {
  readonly kind: 'subscribe' | 'unsubscribe';
  readonly id: string;
  readonly mask: number;
  readonly from: PartId;
}

/** Merges commands to the same neighbour; the order of two that touch the same slice is kept. */
export function mergeCommands(commands: readonly SourceCommand[]): readonly MergedCommand[] {
  const out: { kind: SourceCommand['kind']; id: string; mask: number; from: PartId }[] = [];
  for (const c of commands) {
    const bit = 1 << c.slice;
    let target: (typeof out)[number] | undefined;
    for (let i = out.length - 1; i >= 0 && target === undefined; i--) {
      const m = out[i];
      if (m === undefined || m.id !== c.id) continue;
      if (m.kind === c.kind && comparePart(m.from, c.from) === 0) target = m;
      else if ((m.mask & bit) !== 0) break;
    }
    if (target === undefined) out.push({ kind: c.kind, id: c.id, mask: bit, from: c.from });
    else target.mask |= bit;
  }
  return out;
}
