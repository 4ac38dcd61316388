/** A state that is kept in a file: what is in memory, and whether the file may hold more. */
export class WrittenState<State> {
  readonly #write: (state: State) => void;
  #current: State;
  /** A write failed: what the next start would read may be ahead of `current`. */
  #isDoubted = false;

  /** `write` is durable on return. */
  constructor(current: State, write: (state: State) => void) {
    this.#current = current;
    this.#write = write;
  }

  get current(): State {
    return this.#current;
  }

  /** Durable on return. @throws what writing throws; `current` stays as it was */
  move(next: State): void {
    this.#isDoubted = true;
    this.#write(next);
    this.#isDoubted = false;
    this.#current = next;
  }

  /** The file holds no more than `current`. @throws what writing throws */
  settle(): void {
    if (this.#isDoubted) this.move(this.#current);
  }
}
