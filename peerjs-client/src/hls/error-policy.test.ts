import { ErrorDetails, ErrorTypes } from 'hls.js';
import { describe, expect, it } from 'vitest';
import { remedy, type Attempts, type PlaybackFault } from './error-policy';

const fresh: Attempts = { media: 0, network: 0, reloads: 0 };
const fatalNetwork: PlaybackFault = { type: ErrorTypes.NETWORK_ERROR, details: ErrorDetails.FRAG_LOAD_ERROR, isFatal: true, status: 503 };
const fatalMedia: PlaybackFault = { type: ErrorTypes.MEDIA_ERROR, details: ErrorDetails.BUFFER_APPEND_ERROR, isFatal: true, status: undefined };

describe('remedy', () => {
  it.each<[string, PlaybackFault, Attempts, string]>([
    ['a stall', { ...fatalMedia, details: ErrorDetails.BUFFER_STALLED_ERROR, isFatal: false }, fresh, 'stall'],
    ['what hls.js retries itself', { ...fatalNetwork, isFatal: false }, fresh, 'ignore'],
    ['a stream that is not live yet', { ...fatalNetwork, details: ErrorDetails.MANIFEST_LOAD_ERROR, status: 404 }, fresh, 'wait'],
    ['an edge that does not answer', { ...fatalNetwork, details: ErrorDetails.MANIFEST_LOAD_TIMEOUT, status: undefined }, fresh, 'wait'],
    ['a playlist that went away', { ...fatalNetwork, details: ErrorDetails.LEVEL_LOAD_ERROR, status: 410 }, fresh, 'wait'],
    ['media that fails to load', fatalNetwork, fresh, 'restart-load'],
    ['media that fails to load again and again', fatalNetwork, { ...fresh, network: 3 }, 'reload'],
    ['a decoder error', fatalMedia, fresh, 'recover-media'],
    ['a third decoder error in a short time', fatalMedia, { ...fresh, media: 2 }, 'reload'],
    ['codecs that the browser lacks', { ...fatalMedia, details: ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR }, fresh, 'give-up'],
    ['errors without end', fatalMedia, { media: 2, network: 3, reloads: 6 }, 'give-up'],
  ])('for %s', (_, fault, attempts, expected) => {
    expect(remedy(fault, attempts)).toBe(expected);
  });
});
