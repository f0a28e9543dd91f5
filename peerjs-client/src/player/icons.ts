/** The player's icons as path data for a 24 × 24 box. Drawn for Starling. */
import { icon } from './dom';

/** Names of the icons. */
export type IconName = 'play' | 'pause' | 'volume' | 'muted' | 'expand' | 'shrink' | 'settings' | 'stats' | 'picture' | 'check';

const paths: Readonly<Record<IconName, readonly string[]>> = {
  play: ['M7 4.5v15a1 1 0 0 0 1.53.85l12-7.5a1 1 0 0 0 0-1.7l-12-7.5A1 1 0 0 0 7 4.5z'],
  pause: ['M6 4h4v16H6z', 'M14 4h4v16h-4z'],
  volume: ['M3 9v6h4l6 5V4L7 9z', 'M15.5 8.1a5 5 0 0 1 0 7.8v-2.2a3 3 0 0 0 0-3.4z', 'M15.5 4.2a9 9 0 0 1 0 15.6v-2.3a7 7 0 0 0 0-11z'],
  muted: ['M3 9v6h4l6 5V4L7 9z', 'M15.3 9.7l1.4-1.4L19 10.6l2.3-2.3 1.4 1.4-2.3 2.3 2.3 2.3-1.4 1.4-2.3-2.3-2.3 2.3-1.4-1.4 2.3-2.3z'],
  expand: ['M4 4h6v2H6v4H4z', 'M14 4h6v6h-2V6h-4z', 'M4 14h2v4h4v2H4z', 'M18 14h2v6h-6v-2h4z'],
  shrink: ['M8 4h2v6H4V8h4z', 'M14 4h2v4h4v2h-6z', 'M4 14h6v6H8v-4H4z', 'M14 14h6v2h-4v4h-2z'],
  settings: ['M4 6h9v2H4z', 'M17 6h3v2h-3z', 'M13 4h4v6h-4z', 'M4 16h3v2H4z', 'M11 16h9v2h-9z', 'M7 14h4v6H7z'],
  stats: ['M4 13h3v7H4z', 'M9 8h3v12H9z', 'M14 11h3v9h-3z', 'M19 4h2v16h-2z'],
  picture: ['M3 5h18v14H3zM5 7v10h14V7z', 'M12 12h6v4h-6z'],
  check: ['M9.5 17.6 4 12.1l1.6-1.6 3.9 3.9 8.9-8.9L20 7.1z'],
};

/** Draws an icon. */
export function drawIcon(name: IconName): SVGSVGElement {
  return icon(...paths[name]);
}
