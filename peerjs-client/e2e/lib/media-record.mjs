// What the edge itself serves: the hash of every mdat of every part, fetched
// beside the viewers, to compare with what reached their decoders.
import { createHash } from 'node:crypto';

export class MediaRecord {
  #hashes = new Set();
  #seen = new Set();
  #streamUrl;
  #running = false;
  #loops = [];

  constructor(streamUrl) {
    this.#streamUrl = streamUrl;
  }

  has(hash) {
    return this.#hashes.has(hash);
  }

  /** Follows every track of the stream until stopped. */
  async start() {
    this.#running = true;
    const catalog = await (await fetch(`${this.#streamUrl}/catalog.json`)).json();
    this.#loops = catalog.tracks.map((track) => this.#follow(track.name));
    for (const loop of this.#loops) loop.catch(() => {}); // stop() tells
  }

  async stop() {
    this.#running = false;
    await Promise.all(this.#loops);
  }

  async #follow(track) {
    while (this.#running) {
      const playlist = await (await fetch(`${this.#streamUrl}/${track}/index.m3u8`)).text();
      const names = [...playlist.matchAll(/^(?:#EXT-X-PART:.*URI="([^"]+)"|([^#\s].*\.m4s))/gm)].map((match) => match[1] ?? match[2]);
      for (const name of names) {
        if (this.#seen.has(`${track}/${name}`)) continue;
        const answer = await fetch(`${this.#streamUrl}/${track}/${name}`);
        if (!answer.ok) continue;
        this.#seen.add(`${track}/${name}`);
        this.#add(Buffer.from(await answer.arrayBuffer()));
      }
      await new Promise((done) => setTimeout(done, 500));
    }
  }

  #add(bytes) {
    for (let at = 0; at + 8 <= bytes.length; ) {
      const size = bytes.readUInt32BE(at);
      if (bytes.toString('latin1', at + 4, at + 8) === 'mdat') this.#hashes.add(createHash('sha256').update(bytes.subarray(at + 8, at + size)).digest('hex'));
      at += size;
    }
  }
}
