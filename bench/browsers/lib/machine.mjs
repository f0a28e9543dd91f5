// What this process's children and the whole machine cost, read from /proc (Linux).
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK']));

/** The fields of /proc/PID/stat that matter: the name stands in parentheses and may hold spaces. */
export function parseStat(text) {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const fields = text.slice(close + 2).split(' ');
  return {
    pid: Number(text.slice(0, open)),
    name: text.slice(open + 1, close),
    parent: Number(fields[1]),
    // utime, stime, and those of children that have ended and were waited for.
    seconds: (Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14])) / ticksPerSecond,
  };
}

function processes() {
  const all = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      all.push(parseStat(readFileSync(`/proc/${entry}/stat`, 'latin1')));
    } catch (error) {
      // It ended between the two reads.
      if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error;
    }
  }
  return all;
}

/** All descendants of `root`, itself left out. */
export function descendants(all, root) {
  const byParent = new Map();
  for (const one of all) byParent.set(one.parent, [...(byParent.get(one.parent) ?? []), one]);
  const found = [];
  for (const queue = [root]; queue.length > 0; ) {
    for (const child of byParent.get(queue.pop()) ?? []) {
      found.push(child);
      queue.push(child.pid);
    }
  }
  return found;
}

/** Resident memory without double counting of shared pages, in bytes; 0 for a process that has ended. */
function proportionalBytes(pid) {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** CPU seconds of the machine by state, from the first line of /proc/stat. */
export function parseMachine(text) {
  const [user, nice, system, idle, iowait, irq, softirq, steal] = text.split('\n')[0].trim().split(/\s+/).slice(1).map(Number);
  return { idle: idle + iowait, steal, all: user + nice + system + idle + iowait + irq + softirq + steal };
}

/** A reading to compare with a later one. */
export function readMachine() {
  const own = processes();
  const seconds = { harness: 0 };
  for (const child of descendants(own, process.pid)) seconds[child.name] = (seconds[child.name] ?? 0) + child.seconds;
  const { user, system } = process.cpuUsage();
  seconds.harness = (user + system) / 1e6;
  return { at: performance.now(), seconds, machine: parseMachine(readFileSync('/proc/stat', 'latin1')) };
}

/** Memory of all child processes called `name`, in bytes. */
export function memoryOf(name) {
  return descendants(processes(), process.pid).filter((child) => child.name === name).reduce((sum, child) => sum + proportionalBytes(child.pid), 0);
}

/** What happened between two readings: cores by program name, and the shares of the machine that were idle or taken by its host. */
export function load(before, after) {
  const elapsed = (after.at - before.at) / 1000;
  const all = after.machine.all - before.machine.all;
  const cores = {};
  for (const [name, seconds] of Object.entries(after.seconds)) {
    const used = (seconds - (before.seconds[name] ?? 0)) / elapsed;
    if (used > 0.0005) cores[name] = used;
  }
  return {
    cores,
    idle: all > 0 ? (after.machine.idle - before.machine.idle) / all : NaN,
    steal: all > 0 ? (after.machine.steal - before.machine.steal) / all : NaN,
    count: availableParallelism(),
  };
}
