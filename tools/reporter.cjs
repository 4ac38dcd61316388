// mocha's "spec" for people, and the counts "PASSED FAILED" in a file for tools/test.sh.
const { writeFileSync } = require('node:fs');
const { reporters, Runner } = require('mocha');

module.exports = class CountingSpec extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures } = runner.stats;
      writeFileSync(options.reporterOption.results, `${passes} ${failures}\n`);
    });
  }
};
