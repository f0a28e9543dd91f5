// Small statistics for the reports.

/** The q-quantile (0..1) by nearest rank. */
export function quantile(values, q) {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))];
}

export const percent = (share) => `${(100 * share).toFixed(1)} %`;
export const ms = (value) => `${Math.round(value)} ms`;
