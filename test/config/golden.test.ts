import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { describeProblem } from '../../src/config/problems.ts';
import { makeFixture, type Fixture } from './fixture.ts';

const FOLDER = join(import.meta.dirname, '..', 'golden', 'config');
const ENVIRONMENT = { PASSWORD: 'secret', EMPTY: '', LINES: 'one\ntwo' };

describe('Every mistake of a configuration is told with its line, column, cause and fix:', () => {
  let fixture: Fixture;
  before(() => {
    fixture = makeFixture();
  });
  after(() => {
    fixture.remove();
  });

  for (const name of fs.readdirSync(FOLDER).filter((entry) => entry.endsWith('.yaml'))) {
    it(name, () => {
      const file = fixture.write(name, fs.readFileSync(join(FOLDER, name)));
      const loaded = loadConfig(file, { env: ENVIRONMENT });
      assert.ok('problems' in loaded, 'the file is taken as good');
      const lines = loaded.problems.map((problem) => `${describeProblem(problem)}\n`);
      const text = lines.join('').replaceAll(`${fixture.folder}/`, '').replaceAll(fixture.folder, '.');
      const expected = join(FOLDER, name.replace(/\.yaml$/, '.expected'));
      if (process.env['UPDATE_GOLDEN'] === '1') fs.writeFileSync(expected, text);
      assert.equal(text, fs.readFileSync(expected, 'utf8'));
    });
  }
});
