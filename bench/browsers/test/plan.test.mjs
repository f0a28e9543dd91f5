import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePlayer, playerNames } from '../lib/players.mjs';
import { estimate, parseCommand, runsOf } from '../lib/plan.mjs';

test('a player is a name with or without a latency', () => {
  for (const name of playerNames.filter((one) => one !== 'p2pml-tuned')) assert.equal(parsePlayer(name).latency, undefined);
  assert.equal(parsePlayer('ours@1.5').latency, 1.5);
  assert.equal(parsePlayer('ours').role, 'swarm');
  assert.equal(parsePlayer('ours@1.5').role, 'other', 'only the player as it comes is judged');
  for (const wrong of ['', 'vlc', 'ours@', 'ours@x', 'ours@0', 'ours@61', 'p2pml-tuned', 'toString', '@3']) assert.throws(() => parsePlayer(wrong), undefined, wrong);
});

test('a player says where its page is and what the page is to do', () => {
  const broadcast = {
    streamUrl: 'http://edge/live/test',
    tracker: 'ws://tracker',
    pages: { address: (page, options) => ({ page, options }) },
  };
  const ours = parsePlayer('ours').address(broadcast);
  assert.equal(ours.page, 'ours');
  assert.equal(ours.options.attributes.src, 'http://edge/live/test/index.m3u8');
  assert.equal(ours.options.attributes.p2p, undefined);
  const { p2p, feed, latency } = parsePlayer('ours-bare@2').address(broadcast).options.attributes;
  assert.deepEqual([p2p, feed, latency], ['off', 'off', '2']);
  assert.deepEqual(parsePlayer('hls').address(broadcast), { page: 'hls', options: { source: 'http://edge/live/test/index.m3u8', hls: {} } });
  const tuned = parsePlayer('p2pml-tuned@6').address(broadcast).options;
  assert.equal(tuned.hls.liveSyncDuration, 6);
  assert.deepEqual(tuned.core.announceTrackers, ['ws://tracker'], 'no tracker of the Internet');
  assert.deepEqual(tuned.core.rtcConfig, { iceServers: [] });
  assert.ok(tuned.core.highDemandTimeWindow < 6 - 1, 'a window over the whole distance takes everything by HTTP');
  assert.equal(parsePlayer('p2pml-default').address(broadcast).options.core.highDemandTimeWindow, undefined, 'as shipped');
});

test('suites and lists of players make runs, those with equal segments together', () => {
  const runs = runsOf(parseCommand(['--players', 'ours,p2pml-tuned@6,hls', '--viewers', '2,3', '--repeat', '2']));
  assert.equal(runs.length, 12);
  assert.deepEqual(runs.slice(0, 6).map((run) => run.player.spec), ['ours', 'hls', 'ours', 'hls', 'p2pml-tuned@6', 'p2pml-tuned@6']);
  assert.deepEqual([...new Set(runs.map((run) => run.viewers))], [2, 3]);
  const ladder = runsOf(parseCommand(['--suite', 'ladder']));
  assert.deepEqual([...new Set(ladder.map((run) => run.viewers))], [6, 12, 24]);
  assert.ok(runsOf(parseCommand(['--suite', 'subsecond'])).every((run) => run.content.partMs === 200));
  const all = runsOf(parseCommand(['--suite', 'all', '--viewers', '6']));
  assert.ok(estimate(all, { seconds: 40, warmup: 20, cost: 10 }) > all.length * 70);
});

test('a wrong command line is refused with what would be right', () => {
  for (const wrong of [['--suite', 'everything'], ['--viewers', '0'], ['--viewers', '6,x'], ['--duration', 'long'], ['--players', 'ours,vlc'], ['--unknown'], ['--players', 'ours', '--part', '5']]) {
    assert.throws(() => parseCommand(wrong), Error, wrong.join(' '));
  }
});
