/** Texts that people copy: addresses, commands and embed codes. */

/** The usual RTMP port (Adobe RTMP specification 1.0); the page cannot know another one. */
const rtmpPort = 1935;

/** The element with the script it needs. */
export function elementSnippet(origin: string, stream: string): string {
  return `<script src="${origin}/assets/starling-player.js" defer></script>\n<starling-player base="${origin}" stream="${stream}" autoplay muted controls></starling-player>`;
}

/** A frame with the embed page. */
export function frameSnippet(origin: string, stream: string): string {
  return `<iframe src="${origin}/embed/${stream}" width="960" height="540" allow="autoplay; fullscreen; picture-in-picture" style="border:0"></iframe>`;
}

/** Where broadcasters publish, without the stream's name. */
export function rtmpServer(host: string): string {
  return `rtmp://${host}:${rtmpPort}/live`;
}

/** A command that publishes a test picture with sound. */
export function ffmpegCommand(host: string): string {
  return `ffmpeg -re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440 \\
  -c:v libx264 -preset veryfast -tune zerolatency -g 60 -pix_fmt yuv420p -b:v 2500k \\
  -c:a aac -b:a 128k -f flv ${rtmpServer(host)}/demo`;
}
