/** A typed emitter whose listeners cannot disturb the sender. */
export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<(event: never) => void>>();

  /** @returns a function that takes the listener off. */
  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): () => void {
    let set = this.listeners.get(name);
    if (set === undefined) this.listeners.set(name, set = new Set());
    set.add(listener);
    return () => void set.delete(listener);
  }

  has(name: keyof Events): boolean {
    return (this.listeners.get(name)?.size ?? 0) > 0;
  }

  emit<K extends keyof Events>(name: K, event: Events[K]): void {
    for (const listener of [...this.listeners.get(name) ?? []]) {
      try {
        (listener as (event: Events[K]) => void)(event);
      } catch (error) {
        // The page's fault: shown as uncaught, but not thrown into the engine.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  clear(): void {
    this.listeners.clear();
  }
}
