/**
 * npm run fuzz -- [--target NAME]… [--executions N] [--seed S] [--save]
 *
 * Fuzzes the parsers, all of them or those named, N executions each. Prints for each: executions, executions a second, the
 * branches taken of those that there are, and findings with their inputs, to be put into test/fuzz/regressions. The
 * same seed and program find the same. --save keeps the inputs that reach farthest in test/fuzz/corpus.
 */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Finding } from '../test/fuzz/engine/finding.ts';
import { fuzz, type Report } from '../test/fuzz/engine/run.ts';
import { TARGETS } from '../test/fuzz/targets.ts';

const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true, default: TARGETS.map(({ name }) => name) },
    executions: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    save: { type: 'boolean', default: false },
  },
});

/** Longer inputs go into a file. */
const SHOWN_MAX = 2000;
/** Of a finding's message. */
const LINES_MAX = 12;

let executions = 0;
let findings = 0;
for (const name of values.target) {
  const report = await fuzz({
    targets: new URL('../test/fuzz/targets.ts', import.meta.url).href,
    name,
    executions: wholeNumber('executions'),
    seed: wholeNumber('seed'),
    guided: true,
    saveCorpus: values.save,
    onFinding: tell,
  });
  executions += report.outcome?.executions ?? 0;
  findings += report.findings.length;
  console.log(line(report));
}
console.log(`${executions} executions, ${findings} findings`);
process.exitCode = findings === 0 ? 0 : 1;

function wholeNumber(name: 'executions' | 'seed'): number {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError(`--${name} takes a whole number, not ${values[name]}`);
}

function tell({ target, kind, signature, message, input }: Finding): void {
  console.log(
    `FINDING ${target}: ${kind}, ${signature}\n${message.split('\n').slice(0, LINES_MAX).join('\n')}`,
  );
  const text = input.toString('base64');
  if (text.length <= SHOWN_MAX) console.log(`input of ${input.length} bytes: ${text}`);
  else {
    const path = join(tmpdir(), `blockferry-fuzz-${target}-${kind}.b64`);
    writeFileSync(path, `${text}\n`);
    console.log(`input of ${input.length} bytes: ${path}`);
  }
}

function line({ name, outcome, findings }: Report): string {
  const found = `${findings.length} findings`;
  if (outcome === undefined) return `${name.padEnd(20)} ended before its time, ${found}`;
  const { executions, seconds, taken, branches, corpus, digest } = outcome;
  const speed = `${Math.round(executions / seconds)}/s`.padStart(9);
  return `${name.padEnd(20)} ${String(executions).padStart(9)} executions ${speed}  ${taken}/${branches} branches, corpus ${corpus} (${digest}), ${found}`;
}
