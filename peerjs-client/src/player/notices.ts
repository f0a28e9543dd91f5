/** What the player tells the viewer when there is no picture, and what can be done about it. */

/** A message over the picture. */
export interface Notice {
  readonly title: string;
  readonly text: string;
  /** Shown as a button that tries again. */
  readonly canRetry: boolean;
  /** True while the player itself is at work on it. */
  readonly isBusy: boolean;
}

/** The stream has not begun. */
export const notLiveYet: Notice = {
  title: 'Waiting for the broadcast',
  text: 'The stream is not live yet. It starts here by itself as soon as it is.',
  canRetry: false,
  isBusy: true,
};

/** The publisher ended it. */
export const streamEnded: Notice = {
  title: 'The broadcast has ended',
  text: 'Thank you for watching. If it comes back, it starts here by itself.',
  canRetry: false,
  isBusy: false,
};

/** The edge does not answer. */
export const unreachable: Notice = {
  title: 'No connection to the server',
  text: 'Check your network. The player keeps trying.',
  canRetry: true,
  isBusy: true,
};

/** Playback broke and is being started again. */
export const reconnecting: Notice = {
  title: 'Connecting again',
  text: 'Playback was interrupted. One moment.',
  canRetry: false,
  isBusy: true,
};

/** The browser has neither Media Source Extensions nor HLS. */
export const unsupported: Notice = {
  title: 'This browser cannot play the stream',
  text: 'Use a current version of Chrome, Edge, Firefox or Safari.',
  canRetry: false,
  isBusy: false,
};

/** No stream was named. */
export const noStream: Notice = {
  title: 'No stream chosen',
  text: 'Set the attribute stream="APP/NAME" or src="…/index.m3u8".',
  canRetry: false,
  isBusy: false,
};

/** Nothing helped. `reason` comes from the playback engine. */
export function broken(reason: string): Notice {
  return {
    title: 'Playback failed',
    text: `Reload, or try another browser. (${reason})`,
    canRetry: true,
    isBusy: false,
  };
}
