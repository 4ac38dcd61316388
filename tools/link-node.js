/**
 * After `npm ci`: node_modules/.bin/node must be the Node that package.json brings. npm 9 (Debian 12's) removes that link
 * together with the other platform's package, whose program has the same name. Plain JavaScript, for an old Node.
 */
import { existsSync, symlinkSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath, URL } from 'node:url';

const bin = new URL('../node_modules/.bin/', import.meta.url);
const program = `../node-${process.platform}-${process.arch}/bin/node`;
const link = fileURLToPath(new URL('node', bin));
if (process.platform !== 'win32' && existsSync(new URL(program, bin)) && !existsSync(link))
  symlinkSync(program, link);
