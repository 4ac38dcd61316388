import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { factsOf, WAIT_CODES } from '../../src/platform/wait-codes.ts';
import { SEVERITIES } from '../../src/platform/wait-facts.ts';

const SOURCE = join(import.meta.dirname, '../../src');
const TABLE = 'wait-codes.ts';

/** All of the program but the table itself. */
const text = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith(TABLE))
  .map((name) => readFileSync(join(SOURCE, name), 'utf8'))
  .join('\n');

describe('the table of codes', () => {
  it('has every code that is raised, and none that is not', () => {
    // That `raise` and all that stands for it take these alone, the compiler sees to.
    const raised = [...text.matchAll(/raise\(\s*'([^']*)'/g)].map(([, code]) => code ?? '');
    assert.ok(raised.length > 3);
    for (const code of raised) assert.ok(Object.hasOwn(WAIT_CODES, code), code);
    const idle = Object.keys(WAIT_CODES).filter((code) => !new RegExp(`['"]?\\b${code}\\b`).test(text));
    assert.deepEqual(idle, []);
  });

  it('says of each how bad it is, what it means and what to do, in sentences', () => {
    for (const [code, { severity, meaning, remedy }] of Object.entries(WAIT_CODES)) {
      assert.match(code, /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/);
      assert.ok(SEVERITIES.includes(severity), code);
      assert.match(meaning, /^[A-Z].*\.$/, code);
      assert.match(remedy, /^[A-Z].*\.$/, code);
    }
  });

  it('knows what a destination waits for, and of what it does not know that it is worth knowing', () => {
    assert.equal(factsOf('destination: volume-offline'), WAIT_CODES['volume-offline']);
    assert.equal(factsOf('destination: of a later version').severity, 'warning');
    assert.equal(factsOf('toString').severity, 'warning');
  });
});
