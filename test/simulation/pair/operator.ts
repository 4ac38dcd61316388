/** What people do to a source: they restart one that says it must be, make its volumes larger, and restore one from an image of its disks. */
import type { SourceGroupConfig } from '../../../src/config/config.ts';
import { describeError, errorCode } from '../../../src/platform/errors.ts';
import type { Oracle } from '../oracle/oracle.ts';
import type { DiskImage } from '../platform/disk.ts';
import type { Machine } from '../platform/machine.ts';
import type { Scenario } from '../scenario.ts';
import type { Step } from '../steps.ts';
import { sourceConfig } from './configs.ts';
import type { Site } from './site.ts';

/** Milliseconds. */
const LOOK_EVERY = 500;

export class Operator {
  readonly #site: Site;
  readonly #config: SourceGroupConfig;
  readonly #machine: Machine;
  readonly #oracle: Oracle;
  readonly #note: (text: string) => void;
  #image: DiskImage | undefined;

  constructor(
    site: Site,
    scenario: Scenario,
    machine: Machine,
    oracle: Oracle,
    note: (text: string) => void,
  ) {
    this.#site = site;
    this.#config = sourceConfig(scenario);
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

  /** Where it cannot be done now, it is not. */
  do(step: Extract<Step, { kind: 'resize' | 'quota' | 'image' | 'set-back' }>): void {
    switch (step.kind) {
      case 'image':
        this.#image = this.#machine.disk.image();
        return;
      case 'set-back':
        this.#setBack();
        return;
      case 'quota':
        this.#site.group?.configure({ ...this.#config, quota: step.bytes });
        return;
      case 'resize':
        this.#site.group?.resize(`v${step.volume}`, { size: step.size, dryRun: false }).then(
          () => this.#note(`volume ${step.volume} was resized`),
          (error: unknown) => this.#note(`not resized: ${describeError(error)}`),
        );
    }
  }

  /** The machine's disks become what they were in the image, and its program starts again. */
  #setBack(): void {
    if (this.#image === undefined) return;
    if (this.#site.program === undefined) {
      this.#machine.loop.after(100, () => this.#setBack());
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
    this.#site.group?.configure(this.#config);
  }
}
