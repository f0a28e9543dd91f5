/** The page for frames on other sites: the player alone. */
import { preparePlayer } from './page-player';

preparePlayer();
