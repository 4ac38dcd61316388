#!/usr/bin/env node
// Plain JavaScript that Node 12 can parse, so that an old Node gets a sentence instead of a syntax error.

/** The same as `engines` in package.json; a test compares them. */
const SUPPORTED = '^24.15.0 || >=26';
const EX_UNAVAILABLE = 69;

function isSupported(version) {
  const [major, minor] = version.split('.').map(Number);
  return (major === 24 && minor >= 15) || major >= 26;
}

if (isSupported(process.versions.node)) {
  import('./compile-cache.js')
    .then(() => import('./main.ts'))
    .catch((error) => {
      console.error(error);
      process.exitCode = 1;
    });
} else {
  console.error(
    `blockferry: this is Node ${process.versions.node} (${process.execPath}); Blockferry needs Node ${SUPPORTED}.\n` +
      'What to do: after "npm ci", start it through npm, which brings a fitting Node: "npx blockferry ..." or\n' +
      '"npm run demo"; or install Node 24 and put it first in the PATH.',
  );
  process.exitCode = EX_UNAVAILABLE;
}
