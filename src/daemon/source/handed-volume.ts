import { assert } from '../../platform/errors.ts';
import type { Extent, HostVolume, WriteRun } from '../../nbd/front-end.ts';

/**
 * A volume as hosts are connected to it, whichever engine is behind it. While it is held, what would change it waits, as for
 * room in the journal, and what reads it goes on.
 */
export class HandedVolume implements HostVolume {
  readonly name: string;
  readonly readOnly: boolean;
  #inner: HostVolume;
  #held: PromiseWithResolvers<void> | undefined;

  constructor(inner: HostVolume) {
    this.name = inner.name;
    this.readOnly = inner.readOnly;
    this.#inner = inner;
  }

  get size(): number {
    return this.#inner.size;
  }

  hold(): void {
    this.#held ??= Promise.withResolvers();
  }

  /** Of the same volume. */
  handTo(inner: HostVolume): void {
    assert(inner.name === this.name, `volume ${inner.name} is not ${this.name}`);
    this.#inner = inner;
  }

  letGo(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  room(): Promise<void> | undefined {
    return this.#held?.promise ?? this.#inner.room();
  }

  write(run: WriteRun): void {
    assert(this.#held === undefined, 'a write without room');
    this.#inner.write(run);
  }

  zero(offset: number, length: number, options: { readonly keepAllocated: boolean }): void {
    assert(this.#held === undefined, 'a trim without room');
    this.#inner.zero(offset, length, options);
  }

  read(offset: number, into: Buffer): void {
    this.#inner.read(offset, into);
  }

  readNow(offset: number, into: Buffer): Promise<void> | undefined {
    return this.#inner.readNow(offset, into);
  }

  extents(offset: number, length: number, max: number): Extent[] {
    return this.#inner.extents(offset, length, max);
  }

  flush(alone: boolean): Promise<void> {
    if (this.#held === undefined) return this.#inner.flush(alone);
    return this.#held.promise.then(() => this.flush(false));
  }
}
