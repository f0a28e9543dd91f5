/** The charts of one stream's history, on uPlot. */
import uPlot from 'uplot';
import { formatBitrate, formatMs, formatShare } from '../player/format';
import type { History } from './api';
import { lastMinute } from './counters';

/** One chart: what it draws and how its values read. */
interface ChartSpec {
  readonly container: string;
  readonly height: number;
  readonly series: readonly { readonly label: string; readonly color: string; readonly filled?: boolean }[];
  readonly format: (value: number) => string;
  readonly range?: [number, number];
  /** Smallest top of the scale, so that noise near zero does not fill the chart. */
  readonly atLeast?: number;
  readonly data: (history: History) => (readonly (number | null)[])[];
}


/** Zero means "nobody has said". */
function known(values: readonly number[]): (number | null)[] {
  return values.map((value) => (value > 0 ? value : null));
}

const specs: readonly ChartSpec[] = [
  {
    container: 'chart-traffic', height: 230, format: formatBitrate, atLeast: 1e6,
    series: [{ label: 'From viewers', color: '--peer', filled: true }, { label: 'From the edge', color: '--edge', filled: true }],
    data: (h) => [h.peerBitrate, h.edgeBitrate],
  },
  { container: 'chart-offload', height: 160, format: formatShare, range: [0, 1], series: [{ label: 'Offload', color: '--peer', filled: true }], data: (h) => [h.offload] },
  { container: 'chart-viewers', height: 160, format: (v) => String(Math.round(v)), atLeast: 4, series: [{ label: 'Viewers', color: '--blue', filled: true }], data: (h) => [h.viewers] },
  { container: 'chart-latency', height: 160, format: formatMs, atLeast: 2000, series: [{ label: 'Median', color: '--blue' }], data: (h) => [known(h.latencyP50Ms)] },
  { container: 'chart-stalls', height: 160, format: (v) => String(Math.round(v)), atLeast: 4, series: [{ label: 'Stalls', color: '--bad', filled: true }], data: (h) => [lastMinute(h.t, h.stalls)] },
];

function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(spec: ChartSpec, width: number): uPlot.Options {
  const axis: uPlot.Axis = { stroke: css('--muted'), grid: { stroke: css('--line'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
  return {
    width,
    height: spec.height,
    legend: { live: true },
    cursor: { y: false, sync: { key: 'starling' } },
    scales: { y: spec.range === undefined ? { range: (_, __, max) => [0, Math.max(max * 1.1, spec.atLeast ?? 1)] } : { range: spec.range } },
    axes: [axis, { ...axis, size: 76, values: (_, splits) => splits.map(spec.format) }],
    series: [
      { value: '{HH}:{mm}:{ss}' },
      ...spec.series.map((series): uPlot.Series => {
        const color = css(series.color);
        return {
          label: series.label,
          stroke: color,
          width: 2,
          spanGaps: false,
          points: { show: false },
          ...(series.filled === true ? { fill: `${color}2b` } : {}),
          value: (_, value) => (value === null || value === undefined ? '–' : spec.format(value)),
        };
      }),
    ],
  };
}

/** Draws the history of one stream and keeps to the width of its containers. */
export class Charts {
  readonly #find: (id: string) => HTMLElement;
  #plots: { readonly spec: ChartSpec; readonly plot: uPlot; readonly container: HTMLElement }[] = [];
  #history: History | undefined;

  constructor(find: (id: string) => HTMLElement) {
    this.#find = find;
    // Colours are baked into the drawing.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#rebuild());
    new ResizeObserver(() => this.#fit()).observe(find('detail'));
  }

  show(history: History): void {
    this.#history = history;
    if (this.#plots.length === 0) this.#rebuild();
    else for (const { spec, plot } of this.#plots) plot.setData(dataOf(spec, history));
  }

  #rebuild(): void {
    for (const { plot } of this.#plots) plot.destroy();
    const history = this.#history;
    this.#plots = history === undefined ? [] : specs.map((spec) => {
      const container = this.#find(spec.container);
      return { spec, container, plot: new uPlot(options(spec, container.clientWidth), dataOf(spec, history), container) };
    });
  }

  #fit(): void {
    for (const { plot, container, spec } of this.#plots) {
      if (container.clientWidth > 0 && container.clientWidth !== plot.width) plot.setSize({ width: container.clientWidth, height: spec.height });
    }
  }
}

function dataOf(spec: ChartSpec, history: History): uPlot.AlignedData {
  const seconds = history.t.map((t) => t / 1000);
  return [seconds, ...spec.data(history).map((values) => [...values])];
}
