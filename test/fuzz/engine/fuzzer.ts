/** The loop: choose an input, mutate it, run it, keep it when it did something new. The same for the same seed. */
import { Corpus } from './corpus.ts';
import type { Coverage } from './coverage.ts';
import { describe, signatureOf, type Finding, type Verdict } from './finding.ts';
import type { Cost, Meter } from './meter.ts';
import { minimise } from './minimise.ts';
import { mutate } from './mutate.ts';
import type { Prng } from './prng.ts';
import type { FuzzTarget } from './target.ts';

const TIME_LIMIT = 2000;
/** What took too long or too much is tried again: a busy machine and a collector at work are no findings. */
const SECOND_LOOKS = 2;
/** Different findings of one target; then it is to be mended first. */
const FINDINGS_MAX = 20;
/** Executions between two turns of the event loop, in which sockets close and garbage is noticed. */
const TURN = 500;

export interface FuzzerOptions {
  readonly name: string;
  readonly target: FuzzTarget;
  readonly coverage: Coverage;
  /** Whether branches are counted; otherwise the first inputs are all that is ever mutated. */
  readonly guided: boolean;
  readonly meter: Meter;
  readonly prng: Prng;
  /** Of the modules' own text. */
  readonly words: readonly Buffer[];
  /** Told of every input before it is run, so that a hang's is known. */
  readonly onInput: (input: Buffer) => void;
  readonly onFinding: (finding: Finding) => void;
}

export class Fuzzer {
  readonly corpus = new Corpus();
  executions = 0;
  readonly #options: FuzzerOptions;
  readonly #signatures = new Set<string>();
  readonly #words: readonly Buffer[];
  #unhandled: unknown;

  constructor(options: FuzzerOptions) {
    this.#options = options;
    this.#words = [...(options.target.dictionary ?? []), ...options.words];
    // What a parser throws where nobody awaits it ends a daemon.
    for (const event of ['unhandledRejection', 'uncaughtException']) {
      process.on(event, (error: unknown) => (this.#unhandled = error));
    }
  }

  /** `first`: inputs that are run as they are; mutations follow until there were `executions` in all. */
  async run(first: readonly Buffer[], executions: number): Promise<void> {
    for (const input of first) {
      await this.#try(input);
      if (!this.#options.guided) this.corpus.add(input, []);
    }
    while (this.executions < executions && this.#goesOn()) {
      await this.#try(this.#next());
      if (this.executions % TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** What takes too much is to be mended before anything else can be found in reasonable time. */
  #goesOn(): boolean {
    const signatures = this.#signatures;
    return signatures.size < FINDINGS_MAX && !signatures.has('memory') && !signatures.has('slow');
  }

  #next(): Buffer {
    const { prng, target } = this.#options;
    const tools = { prng, words: this.#words, other: this.corpus.pick(prng) };
    const input = this.corpus.pick(prng);
    let made: Buffer;
    if (target.mutate === undefined || prng.oneIn(2)) made = mutate(input, tools);
    else {
      made = target.mutate(input, tools);
      if (prng.oneIn(4)) made = mutate(made, tools);
    }
    return made.length > target.lengthMax ? made.subarray(0, target.lengthMax) : made;
  }

  async #try(input: Buffer): Promise<void> {
    const verdict = await this.#execute(input);
    const { coverage, name } = this.#options;
    if (coverage.isNew()) this.corpus.add(input, coverage.features());
    if (verdict === undefined || this.#signatures.has(verdict.signature)) return;
    const shows = async (candidate: Buffer): Promise<boolean> =>
      (await this.#execute(candidate))?.signature === verdict.signature;
    const shortest = await minimise(Buffer.from(input), shows);
    this.#signatures.add(verdict.signature);
    this.#options.onFinding({ target: name, ...verdict, input: shortest });
  }

  async #execute(input: Buffer): Promise<Verdict> {
    const { error, cost } = await this.#measure(input);
    if (error !== undefined)
      return { kind: 'exception', signature: signatureOf(error), message: describe(error) };
    const excess = this.#excess(cost, input);
    if (excess === undefined) return undefined;
    for (let look = 0; look < SECOND_LOOKS; look += 1) {
      const again = await this.#measure(input);
      if (this.#excess(again.cost, input)?.kind !== excess.kind) return undefined;
    }
    return excess;
  }

  #excess({ bytes, time }: Cost, input: Buffer): Verdict {
    const { memory, timeLimit = TIME_LIMIT } = this.#options.target;
    if (time > timeLimit) {
      return {
        kind: 'slow',
        signature: 'slow',
        message: `took ${Math.round(time)} ms; ${timeLimit} are allowed`,
      };
    }
    const limit = memory(input);
    if (bytes <= limit) return undefined;
    return { kind: 'memory', signature: 'memory', message: `asked for ${bytes} bytes; ${limit} are allowed` };
  }

  async #measure(input: Buffer): Promise<{ readonly error: unknown; readonly cost: Cost }> {
    const { target, coverage, meter, onInput } = this.#options;
    onInput(input);
    // A copy: what a parser overwrites, and what it keeps a view of, is not the corpus.
    const own = Buffer.from(input);
    let error: unknown;
    this.executions += 1;
    coverage.clear();
    meter.begin();
    try {
      const running = target.run(own);
      if (running !== undefined) await running;
    } catch (thrown) {
      error = thrown ?? new Error('threw undefined');
    }
    const cost = meter.end();
    error ??= this.#unhandled;
    this.#unhandled = undefined;
    return { error, cost };
  }
}
