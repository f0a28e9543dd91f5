// Child processes that are watched and always ended, by process id.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Starts a program in a process group of its own and keeps its last output for error reports. */
export function start(name, command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, ...options });
  const tail = [];
  const keep = (data) => {
    for (const line of String(data).split('\n')) if (line.trim() !== '') tail.push(line);
    tail.splice(0, Math.max(0, tail.length - 60));
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const exited = once(child, 'exit').catch((error) => keep(`cannot start ${command}: ${error.message}`));
  const killGroup = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  };
  const onExit = () => child.exitCode === null && child.signalCode === null && killGroup('SIGKILL');
  process.once('exit', onExit);
  return {
    name,
    child,
    exited,
    output: () => tail.join('\n'),
    kill: killGroup,
    /** Asks the program to stop, and insists after `graceMs`. Returns whether it stopped when asked. */
    async stop(graceMs = 8000) {
      process.removeListener('exit', onExit);
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return true;
      child.kill('SIGTERM');
      let timer;
      const late = new Promise((done) => (timer = setTimeout(() => done(false), graceMs)));
      const clean = (await Promise.race([exited.then(() => true), late])) === true;
      clearTimeout(timer);
      killGroup('SIGKILL');
      await exited;
      return clean;
    },
  };
}

/** Polls until `check` gives something true, or fails with what it was waiting for. */
export async function until(what, check, timeoutMs = 15000, everyMs = 100) {
  const end = performance.now() + timeoutMs;
  let last;
  while (performance.now() < end) {
    try {
      const value = await check();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    await new Promise((done) => setTimeout(done, everyMs));
  }
  throw new Error(`waited ${timeoutMs} ms for ${what}${last ? `: ${last.message}` : ''}`);
}

export const delay = (ms) => new Promise((done) => setTimeout(done, ms));
