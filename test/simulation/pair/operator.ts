/** What people do to a source: they restart one that says it must be, make its volumes larger, and restore one from an image of its disks. */
import type { SourceGroupConfig } from '../../../src/config/config.ts';
import { describeError, errorCode } from '../../../src/platform/errors.ts';
import type { InDoubt, Oracle } from '../oracle/oracle.ts';
import type { DiskImage } from '../platform/disk.ts';
import type { Machine } from '../platform/machine.ts';
import type { Scenario } from '../scenario.ts';
import type { Step } from '../steps.ts';
import { FOLDER, OTHER_FOLDER, sourceConfig } from './configs.ts';
import type { Site } from './site.ts';

/** Milliseconds. */
const LOOK_EVERY = 500;

export class Operator {
  readonly #site: Site;
  #config: SourceGroupConfig;
  readonly #machine: Machine;
  readonly #oracle: Oracle;
  readonly #note: (text: string) => void;
  #image:
    { readonly disk: DiskImage; readonly config: SourceGroupConfig; readonly inDoubt: InDoubt } | undefined;

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

  /** The source's, as its file has it. */
  get config(): SourceGroupConfig {
    return this.#config;
  }

  /** Whether the source is where its file says. */
  get isMoved(): boolean {
    return this.#oracle.sourceFolder === this.#config.folder;
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
  do(step: Extract<Step, { kind: 'resize' | 'quota' | 'move' | 'image' | 'set-back' }>): void {
    switch (step.kind) {
      case 'image':
        this.#image = {
          disk: this.#machine.disk.image(),
          config: this.#config,
          inDoubt: this.#oracle.inDoubt,
        };
        return;
      case 'set-back':
        this.#setBack();
        return;
      case 'move':
        this.#move();
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

  /** The file is as it was where what it says is not taken. */
  #move(): void {
    const { group } = this.#site;
    const folder = this.#config.folder === FOLDER ? OTHER_FOLDER : FOLDER;
    const config = { ...this.#config, folder };
    try {
      group?.prepare(config);
    } catch (error) {
      this.#note(`not moved: ${describeError(error)}`);
      if (!(error instanceof Error)) throw error;
      return;
    }
    if (group === undefined) return;
    this.#config = config;
    group.configure(config);
  }

  /** The machine's disks become what they were in the image, and its program starts again. */
  #setBack(): void {
    if (this.#image === undefined) return;
    if (this.#site.program === undefined) {
      this.#machine.loop.after(100, () => this.#setBack());
      return;
    }
    this.#site.kill(true);
    this.#machine.disk.restore(this.#image.disk);
    this.#config = this.#image.config;
    this.#oracle.sourceSetBack(this.#image.inDoubt);
    this.#image = undefined;
  }

  /** Nothing more is restored. */
  calm(): void {
    this.#image = undefined;
    this.#site.group?.configure(this.#config);
  }
}
