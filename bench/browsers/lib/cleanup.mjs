// Things to take down, in reverse order, also when the run is interrupted.

const steps = [];
let running;

/** Registers a step; the returned function runs it now and forgets it. Steps may be asynchronous and run once. */
export function onCleanup(step) {
  let done;
  const once = () => (done ??= Promise.resolve().then(step));
  steps.push(once);
  return async () => {
    const at = steps.indexOf(once);
    if (at >= 0) steps.splice(at, 1);
    return once();
  };
}

/** Runs what is registered, last first. A step that fails does not keep the others from running. */
export function cleanUp(report = console.error) {
  running ??= (async () => {
    while (steps.length > 0) {
      try {
        await steps.pop()();
      } catch (error) {
        report(`clean-up: ${error.message}`);
      }
    }
  })();
  return running;
}

/** Ends the process after cleaning up, on SIGINT and SIGTERM and when `limitMs` have passed. */
export function endOnSignal(limitMs) {
  const end = (why, code) => {
    console.error(`\n${why}: cleaning up`);
    // Child processes are killed by their group when this process exits, whatever a step waits for.
    setTimeout(() => process.exit(code), 15_000).unref();
    void cleanUp().finally(() => process.exit(code));
  };
  process.once('SIGINT', () => end('interrupted', 130));
  process.once('SIGTERM', () => end('asked to stop', 143));
  setTimeout(() => end(`still running after ${Math.round(limitMs / 60_000)} minutes`, 1), limitMs).unref();
}
