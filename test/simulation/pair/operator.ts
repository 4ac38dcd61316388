/** What people do to a source: they restart one that says it must be, and restore one from an image of its disks. */
import { errorCode } from '../../../src/platform/errors.ts';
import type { Oracle } from '../oracle/oracle.ts';
import type { DiskImage } from '../platform/disk.ts';
import type { Machine } from '../platform/machine.ts';
import type { Site } from './site.ts';

/** Milliseconds. */
const LOOK_EVERY = 500;

export class Operator {
  readonly #site: Site;
  readonly #machine: Machine;
  readonly #oracle: Oracle;
  readonly #note: (text: string) => void;
  #image: DiskImage | undefined;

  constructor(site: Site, machine: Machine, oracle: Oracle, note: (text: string) => void) {
    this.#site = site;
    this.#machine = machine;
    this.#oracle = oracle;
    this.#note = note;
  }

  start(): void {
    this.#machine.loop.after(LOOK_EVERY, () => {
      const { group, program } = this.#site;
      const look = (status: { readonly role: string; readonly mode?: string }): void => {
        if (program !== this.#site.program || status.mode !== 'stopped') return;
        this.#note('the operator restarts the source');
        this.#site.kill(false);
      };
      // A thread that has ended answers nothing any more.
      group?.status().then(look, (error: unknown) => {
        if (errorCode(error) === 'THREAD_ENDED') look({ role: 'source', mode: 'stopped' });
      });
      this.start();
    });
  }

  image(): void {
    this.#image = this.#machine.disk.image();
  }

  /** The machine's disks become what they were in the image, and its program starts again. */
  setBack(): void {
    if (this.#image === undefined) return;
    if (this.#site.program === undefined) {
      this.#machine.loop.after(100, () => this.setBack());
      return;
    }
    this.#site.kill(true);
    this.#machine.disk.restore(this.#image);
    this.#image = undefined;
    this.#oracle.sourceSetBack();
  }

  /** Nothing more is restored. */
  calm(): void {
    this.#image = undefined;
  }
}
