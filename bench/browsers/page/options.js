// What the page is to do: JSON in the address's fragment, written by lib/players.mjs.
export const options = JSON.parse(decodeURIComponent(location.hash.slice(1)));

export const video = document.querySelector('video');

/** What happened, without where: positions and dumps make every message another one. */
const gist = (message = '') => message.split(/ at @| \(|\{/)[0];

/** Keeps the last errors of hls.js where the benchmark finds them. */
export function keepErrors(hls, Hls) {
  window.playerErrors = [];
  hls.on(Hls.Events.ERROR, (_, data) => {
    window.playerErrors.push(`${data.details}${data.fatal ? ' (fatal)' : ''}: ${gist(data.error?.message)}`);
    window.playerErrors.splice(0, Math.max(0, window.playerErrors.length - 20));
  });
}
