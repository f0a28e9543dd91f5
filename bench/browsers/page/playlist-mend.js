// Playlists as another player needs them, changed on their way into hls.js.
//
// strip   hls.js asks a low-latency server with `_HLS_msn` and takes the answer's
//         address as the playlist's. p2p-media-loader 2.3.1 looks its stream up by
//         that address and finds nothing from the second playlist on. Without the
//         query it finds it.
// plain   the same playlist as a server without LL-HLS would write it: no parts, no
//         blocking reload, no hold-back, and a target duration that is the longest
//         segment's. Players that load whole segments may then start nearer to the
//         live end than twice that.
// whole   like plain, but blocking reload stays (and with it strip), so that all
//         viewers learn of a segment when it is complete and not when they next poll.

const directives = /^_HLS_/;
const partTags = /^#EXT-X-(PART|PART-INF|PRELOAD-HINT|RENDITION-REPORT)\b(?!-)/;
const controlTag = /^#EXT-X-SERVER-CONTROL\b/;

/** The address without delivery directives. */
export function withoutDirectives(address) {
  const url = new URL(address);
  for (const name of [...url.searchParams.keys()]) if (directives.test(name)) url.searchParams.delete(name);
  return url.href;
}

/** A media playlist without parts; any other text unchanged. */
export function wholeSegments(text, { blocking }) {
  if (!text.includes('#EXT-X-TARGETDURATION')) return text;
  const lines = text.split('\n').filter((line) => !partTags.test(line));
  const longest = Math.max(1, ...lines.map((line) => /^#EXTINF:([\d.]+)/.exec(line)).filter(Boolean).map((match) => Math.round(Number(match[1]))));
  return lines.flatMap((line) => {
    if (line.startsWith('#EXT-X-TARGETDURATION')) return [`#EXT-X-TARGETDURATION:${longest}`];
    if (controlTag.test(line)) return blocking ? ['#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES'] : [];
    return [line];
  }).join('\n');
}

const mends = {
  none: { address: (url) => url, playlist: (text) => text },
  strip: { address: withoutDirectives, playlist: (text) => text },
  plain: { address: (url) => url, playlist: (text) => wholeSegments(text, { blocking: false }) },
  whole: { address: withoutDirectives, playlist: (text) => wholeSegments(text, { blocking: true }) },
};

/** hls.js's loader `Base` with the change called `mend` to playlists. */
export function mendingLoader(Base, mend) {
  const { address, playlist } = mends[mend];
  return class extends Base {
    load(context, config, callbacks) {
      const onSuccess = (response, ...rest) =>
        callbacks.onSuccess(typeof response.data === 'string' ? { ...response, data: playlist(response.data), url: address(response.url) } : response, ...rest);
      super.load(context, config, { ...callbacks, onSuccess });
    }
  };
}
