/** The times at which a link may be used, as its schedule has them, and the end of all of them. */

/** Why nothing goes over a link now. Times in milliseconds since 1970. */
export interface Closure {
  readonly message: string;
  /** Undefined: never again. */
  readonly opensAt: number | undefined;
}

export interface LinkHours {
  /** Undefined while the link is open. */
  closure(): Closure | undefined;
  /** Calls back whenever the link may have opened, closed, or will open at another time. Returns how to listen no more. */
  onChange(listener: () => void): () => void;
}

export interface SessionEvents {
  /** Again, after it was closed. */
  readonly opened: () => void;
  /** And whenever the closure is another. What used the signal is cut already. */
  readonly closed: (closure: Closure) => void;
}

export class LinkSession {
  readonly #hours: LinkHours;
  readonly #events: SessionEvents;
  #current = new AbortController();
  #ignore: (() => void) | undefined;
  #stopped = false;

  constructor(hours: LinkHours, events: SessionEvents) {
    this.#hours = hours;
    this.#events = events;
  }

  start(): void {
    this.#ignore = this.#hours.onChange(() => this.#look());
    this.#look();
  }

  /** Ends everything that uses the signal, now and for ever. */
  stop(): void {
    this.#stopped = true;
    this.#ignore?.();
    this.#current.abort();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Whether anything may be begun now. */
  get isOpen(): boolean {
    return !this.#stopped && this.#hours.closure() === undefined && !this.#current.signal.aborted;
  }

  /** Aborted when the link closes; after that there is another. */
  get signal(): AbortSignal {
    return this.#current.signal;
  }

  #look(): void {
    if (this.#stopped) return;
    const closure = this.#hours.closure();
    const wasOpen = !this.#current.signal.aborted;
    if (closure !== undefined) {
      this.#current.abort();
      this.#events.closed(closure);
    } else if (!wasOpen) {
      this.#current = new AbortController();
      this.#events.opened();
    }
  }
}
