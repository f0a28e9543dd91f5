import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.js';
import type { Bytes } from '../wire/bytes.js';
import { encodeFrame, parseFrame, type Frame, type UnknownFrame } from '../wire/peer-frames.js';
import { ByteCounters } from './counters.js';
import { CONNECT_TIMEOUT_MS, Link, type LinkEnd } from './link.js';

/** A link whose carrier is in the hands of the test. */
class TestLink extends Link {
  readonly sent: string[] = [];
  isCongested = false;
  bufferedBytes = 0;

  open(): void {
    this.opened();
  }

  hear(frame: Exclude<Frame, UnknownFrame>): void {
    this.received(encodeFrame(frame).slice().buffer);
  }

  protected isOpen(): boolean {
    return true;
  }

  protected transmit(message: Bytes): boolean {
    this.sent.push(parseFrame(message)?.type ?? 'malformed');
    return true;
  }

  protected transmitChunk(): boolean {
    return false;
  }

  protected shut(): void {
    this.sent.push('shut');
  }
}

function setUp(): { link: TestLink; clock: FakeClock; ends: LinkEnd[] } {
  const clock = new FakeClock();
  const ends: LinkEnd[] = [];
  const link: TestLink = new TestLink('parent', 'peer', {
    clock, stream: 'live/demo', selfId: 'child', counters: new ByteCounters(),
    events: {
      onReady: () => link.send({ type: 'subscribe', track: 1, slices: 1, msn: 0, index: 0, flags: 0 }),
      onFrame: () => undefined, onDrain: () => undefined, onEnd: (_, end) => void ends.push(end),
    },
  });
  return { link, clock, ends };
}

const HELLO = { type: 'hello', version: 1, features: 0, id: 'parent', stream: 'live/demo' } as const;

describe('a link that opens', () => {
  it('says what it wants right after HELLO, and measures the round trip once it is greeted', () => {
    const { link } = setUp();
    link.open();
    expect(link.sent).toEqual(['hello', 'subscribe']);
    link.hear(HELLO);
    expect(link.sent).toEqual(['hello', 'subscribe', 'ping']);
    link.open();
    link.hear(HELLO);
    expect(link.sent).toHaveLength(3);
  });

  it('may be greeted before it is open', () => {
    const { link } = setUp();
    link.hear(HELLO);
    expect(link.sent).toEqual([]);
    link.open();
    expect(link.sent).toEqual(['hello', 'ping', 'subscribe']);
  });

  it('has failed to connect when no HELLO comes', () => {
    const { link, clock, ends } = setUp();
    link.open();
    link.tick(clock.now() + CONNECT_TIMEOUT_MS - 1);
    expect(ends).toEqual([]);
    link.tick(clock.now() + CONNECT_TIMEOUT_MS);
    expect(ends.map((end) => end.lost)).toEqual(['connect-failed']);
  });
});
