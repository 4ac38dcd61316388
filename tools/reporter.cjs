// mocha's "spec" for people; for tools/test.sh the counts "PASSED FAILED" in a file, and what failed in one beside it.
const { appendFileSync, writeFileSync } = require('node:fs');
const { reporters, Runner } = require('mocha');

module.exports = class CountingSpec extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const { results } = options.reporterOption;
    runner.on(Runner.constants.EVENT_TEST_FAIL, (test, error) => {
      appendFileSync(`${results}.failures`, `FAILED ${test.fullTitle()}\n${error.stack ?? error}\n`);
    });
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures } = runner.stats;
      writeFileSync(results, `${passes} ${failures}\n`);
    });
  }
};
