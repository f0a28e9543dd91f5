/**
 * The playlist loader given to hls.js (`pLoader`). A blocking reload of a media playlist is answered by the viewer
 * itself as soon as the asked part's header was pushed to it; the edge is asked for what only it can tell: the first
 * playlist of a track, and a part whose header is late (docs/player.md, rule 6).
 */
import type { HlsConfig, Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderStats, PlaylistLoaderContext } from 'hls.js';
import { parsePlaylistUrl } from './media-url';
import type { MediaPlaylist, PartFacts } from './playlist-model';
import { PlaylistWriter, type Reload } from './playlist-writer';

/** The constructor that hls.js calls for every playlist. */
export type PlaylistLoader = new (config: HlsConfig) => Loader<PlaylistLoaderContext>;

/** The playlists of one playback: told of headers and of the edge's playlists, asked for answers. */
export class PlaylistBook {
  readonly #tracks = new Map<string, PlaylistWriter>();
  readonly #waiting = new Set<() => void>();
  #written = 0;
  #loaded = 0;
  #isBegun = false;

  /**
   * @param onFirst called with the first playlist of any track that can be read, before hls.js has it.
   * @param now milliseconds, default `performance.now`.
   */
  constructor(readonly stream: string, private readonly onFirst: (playlist: MediaPlaylist) => void = () => undefined, readonly now: () => number = () => performance.now()) {}

  /** Reloads answered here, and playlists that the edge sent. */
  get counts(): { readonly written: number; readonly loaded: number } {
    return { written: this.#written, loaded: this.#loaded };
  }

  /** A verified header of a track. */
  note(track: string, part: PartFacts): void {
    this.#writer(track).note(part, this.now());
    for (const look of [...this.#waiting]) look();
  }

  /** A playlist of the edge. */
  take(track: string, text: string): void {
    const writer = this.#writer(track);
    writer.take(text, this.now());
    this.#loaded++;
    if (this.#isBegun || writer.playlist === undefined) return;
    this.#isBegun = true;
    this.onFirst(writer.playlist);
  }

  /** Whether a reload can be answered now. */
  has(track: string, reload: Reload): boolean {
    return this.#writer(track).has(reload);
  }

  /** The text for a reload, if it can be written now. */
  answer(track: string, reload: Reload): string | undefined {
    const text = this.#writer(track).answer(reload);
    if (text !== undefined) this.#written++;
    return text;
  }

  /** Milliseconds for which a reload should wait for a header before the edge is asked; 0: ask now. */
  patience(track: string): number {
    const now = this.now();
    return Math.max(this.#writer(track).patience(now) - now, 0);
  }

  /** Calls `look` after every header; gives a function that ends it. */
  watch(look: () => void): () => void {
    this.#waiting.add(look);
    return () => this.#waiting.delete(look);
  }

  #writer(track: string): PlaylistWriter {
    let writer = this.#tracks.get(track);
    if (writer === undefined) this.#tracks.set(track, (writer = new PlaylistWriter()));
    return writer;
  }
}

/** Makes the loader class for one playback. */
export function createPlaylistLoader(book: PlaylistBook): PlaylistLoader {
  return class extends WritingPlaylistLoader {
    constructor(config: HlsConfig) {
      super(config, book);
    }
  };
}

class WritingPlaylistLoader implements Loader<PlaylistLoaderContext> {
  context: PlaylistLoaderContext | null = null;
  readonly stats: LoaderStats;
  readonly #http: Loader<LoaderContext>;
  readonly #book: PlaylistBook;
  #endWatch: () => void = () => undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(config: HlsConfig, book: PlaylistBook) {
    this.#book = book;
    this.#http = new config.loader(config);
    this.stats = this.#http.stats;
  }

  load(context: PlaylistLoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<PlaylistLoaderContext>): void {
    this.context = context;
    const address = parsePlaylistUrl(context.url);
    const track = address?.stream === this.#book.stream ? address.track : undefined;
    if (track === undefined) {
      this.#ask(context, config, callbacks, undefined);
      return;
    }
    const { msn, part, skip } = context.deliveryDirectives ?? {};
    if (msn === undefined || part === undefined) {
      this.#ask(context, config, callbacks, track);
      return;
    }
    const reload: Reload = { part: { msn, index: part }, isDelta: skip === 'YES' || skip === 'v2' };
    const start = this.#book.now();
    const look = (): void => {
      const text = this.context === context ? this.#book.answer(track, reload) : undefined;
      if (text === undefined) return;
      this.#http.abort();
      this.#finish();
      this.#deliver(text, context, start, callbacks);
    };
    if (this.#book.has(track, reload)) {
      queueMicrotask(look); // after hls.js has noted that it asked
      return;
    }
    this.#endWatch = this.#book.watch(look);
    const patience = this.#book.patience(track);
    if (patience > 0) this.#timer = setTimeout(() => this.#ask(context, config, callbacks, track), patience);
    else this.#ask(context, config, callbacks, track);
  }

  abort(): void {
    this.#finish();
    this.#http.abort();
  }

  destroy(): void {
    this.#finish();
    this.#http.destroy();
  }

  getCacheAge(): number | null {
    return this.#http.getCacheAge?.() ?? null;
  }

  getResponseHeader(name: string): string | null {
    return this.#http.getResponseHeader?.(name) ?? null;
  }

  #finish(): void {
    this.#endWatch();
    clearTimeout(this.#timer);
    this.context = null;
  }

  /** Asks the edge. A header may still come first. */
  #ask(context: PlaylistLoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<PlaylistLoaderContext>, track: string | undefined): void {
    const isPresent = (): boolean => {
      const wasPresent = this.context === context;
      this.#finish();
      return wasPresent;
    };
    this.#http.load(context, config, {
      onSuccess: (response, stats, _, details) => {
        if (!isPresent()) return;
        if (track !== undefined && typeof response.data === 'string') this.#book.take(track, response.data);
        callbacks.onSuccess(response, stats, context, details);
      },
      onError: (error, _, details, stats) => void (isPresent() && callbacks.onError(error, context, details, stats)),
      onTimeout: (stats, _, details) => void (isPresent() && callbacks.onTimeout(stats, context, details)),
    });
  }

  #deliver(text: string, context: PlaylistLoaderContext, start: number, callbacks: LoaderCallbacks<PlaylistLoaderContext>): void {
    const now = this.#book.now();
    const stats: LoaderStats = {
      ...this.stats, aborted: false, loaded: text.length, total: text.length,
      // The time from first to last byte is taken for what a switch of rungs costs: it is not known from here.
      loading: { start, first: now, end: Number.NaN }, parsing: { start: 0, end: 0 }, buffering: { start: 0, first: 0, end: 0 },
    };
    callbacks.onSuccess({ url: context.url, data: text, code: 200 }, stats, context, null);
  }
}
