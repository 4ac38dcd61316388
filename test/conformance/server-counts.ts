/** How many tests of the suite each server passed, told when all have run. */
const counts = new Map<string, { passed: number; failed: number }>();

/** Within a `describe`: counts its tests for the server of that name. */
export function countFor(server: string): void {
  afterEach(function () {
    const count = counts.get(server) ?? { passed: 0, failed: 0 };
    if (this.currentTest?.state === 'passed') count.passed += 1;
    else count.failed += 1;
    counts.set(server, count);
  });
}

// Of the root suite: behind the last test of the last file.
after(() => {
  const width = Math.max(...[...counts.keys()].map((server) => server.length));
  console.log('  transport conformance, by server');
  for (const [server, { passed, failed }] of counts) {
    console.log(`    ${server.padEnd(width)}  ${String(passed).padStart(3)} passed, ${failed} failed`);
  }
});
