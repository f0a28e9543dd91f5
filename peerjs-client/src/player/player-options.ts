/** The player's options: attributes of `<starling-player>` and the query of the watch and embed pages. */

/** Everything that decides how a stream is played. */
export interface PlayerOptions {
  /** A playlist URL; wins over `stream`. */
  readonly src: string | undefined;
  /** `APP/NAME`. */
  readonly stream: string | undefined;
  /** Address of the edge. Default: the page's own origin. */
  readonly base: string | undefined;
  /** Share media with other viewers. Default true. */
  readonly p2p: boolean;
  /** bit/s this viewer may upload; undefined leaves it to the engine (8 Mbit/s). */
  readonly uplink: number | undefined;
  /** Let the edge push media to this viewer when it is a root. Default true. */
  readonly feed: boolean;
  /** Rung to stay on, by name. */
  readonly rung: string | undefined;
  /** Distance from the live edge in seconds; undefined follows the playlist. */
  readonly latency: number | undefined;
  /** Where the tracker is; undefined is the edge's own. */
  readonly tracker: string | undefined;
  /** Log what hls.js does to the console. Default false. */
  readonly debug: boolean;
}

/** Something with attributes. */
export interface AttributeReader {
  getAttribute(name: string): string | null;
}

const off = new Set(['off', 'false', '0', 'no']);

function isOn(value: string | null, whenAbsent: boolean): boolean {
  return value === null ? whenAbsent : !off.has(value.trim().toLowerCase());
}

/** Numbers with the suffixes k, M and G, as in `2.5M`; undefined for anything else. */
export function parseBitrate(text: string | null): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kMG]?)(?:bit\/s|bps)?\s*$/.exec(text ?? '');
  if (match === null) return undefined;
  const factor = { '': 1, k: 1e3, M: 1e6, G: 1e9 }[match[2] as '' | 'k' | 'M' | 'G'];
  return Number(match[1]) * factor;
}

function parseSeconds(text: string | null): number | undefined {
  const value = Number.parseFloat(text ?? '');
  return value >= 0.2 && value <= 60 ? value : undefined;
}

/** Reads the element's attributes. */
export function optionsFromAttributes(element: AttributeReader): PlayerOptions {
  return {
    src: element.getAttribute('src') ?? undefined,
    stream: element.getAttribute('stream') ?? undefined,
    base: element.getAttribute('base') ?? undefined,
    p2p: isOn(element.getAttribute('p2p'), true),
    uplink: parseBitrate(element.getAttribute('uplink')),
    feed: isOn(element.getAttribute('feed'), true),
    rung: element.getAttribute('level') ?? undefined,
    latency: parseSeconds(element.getAttribute('latency')),
    tracker: element.getAttribute('tracker') ?? undefined,
    debug: isOn(element.getAttribute('debug'), false),
  };
}

/** Attributes that a page's query may set, with the query's own name where it differs. */
const queryAttributes = ['p2p', 'uplink', 'feed', 'level', 'latency', 'tracker'] as const;
/** Attributes that are there or not. */
const queryFlags = ['stats', 'muted', 'debug'] as const;

/** Turns `?p2p=off&level=v360&stats=1` into attributes; null removes one. */
export function attributesFromQuery(query: string): ReadonlyMap<string, string | null> {
  const parameters = new URLSearchParams(query);
  const attributes = new Map<string, string | null>();
  for (const name of queryAttributes) {
    const value = parameters.get(name);
    if (value !== null) attributes.set(name, value);
  }
  for (const name of queryFlags) {
    const value = parameters.get(name);
    if (value !== null) attributes.set(name, isOn(value, true) ? '' : null);
  }
  return attributes;
}

/** The stream of a page's path: `/watch/APP/NAME` or `/embed/APP/NAME`. */
export function streamFromPath(path: string): string | undefined {
  return /\/(?:watch|embed)\/([A-Za-z0-9_-][\w.-]{0,63}\/[A-Za-z0-9_-][\w.-]{0,63})\/?$/.exec(path)?.[1];
}
