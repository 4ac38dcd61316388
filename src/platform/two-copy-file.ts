/**
 * A small file that is overwritten where it lies, so that a full file system refuses no new content (I8).
 *
 * It is two copies of {@link COPY_SIZE} bytes, each a line of JSON (`number` counts up with every content, `length`, `crc`
 * of number and content) and then the content. One copy is durable before the other is begun:
 * - A crash leaves one of them whole: the new content, or the old while nobody was told of the new (I6).
 * - They take turns to be first, and one that is not whole or older is: where a change failed half way, of its write or of
 *   its sync, after which what can be read says nothing of the medium, the next one begins where nothing is to be lost.
 * - Copies that differ are made equal before anybody relies on what was read.
 * - One copy that rots is mended from the other.
 * - Its name is made durable again before anybody relies on what was read: who made it may have died before that.
 */
import { crc32 } from '@node-rs/crc32';
import { dirname } from 'node:path';
import type { Files, OpenFile } from './files.ts';

const COPY_SIZE = 64 * 1024;
const LINE_MAX = 128;
/** Bytes of content at most. */
const CONTENT_MAX = COPY_SIZE - LINE_MAX;
const COPIES = [0, COPY_SIZE] as const;
const LINE = /^\{"number":(\d{1,15}),"length":(\d{1,5}),"crc":(\d{1,10})\}\n/;

interface Copy {
  readonly number: number;
  readonly content: Buffer;
}

/** Durable on return. @throws RangeError when the content is too long; the operating system's errors */
export function writeTwoCopies(files: Files, path: string, content: Uint8Array): void {
  if (content.length > CONTENT_MAX) {
    throw new RangeError(`${path} would hold ${content.length} bytes; ${CONTENT_MAX} are the most`);
  }
  if (files.stat(path) === undefined) {
    create(files, path, encode(1, content));
    return;
  }
  const file = files.open(path, 'write');
  try {
    const copies = COPIES.map((at) => readCopy(file, at));
    const number = newestOf(copies)?.number ?? 0;
    // Who made it may have failed to make its name durable.
    if (number <= 1) files.syncDirectory(dirname(path));
    const first = number === 0 ? turnOf(1) : makeSure(file, copies);
    const next = number + (turnOf(number + 1) === first ? 1 : 2);
    writeDurably(file, encode(next, content), first);
    writeDurably(file, encode(next, content), otherThan(first));
  } finally {
    file.close();
  }
}

/** Durable on return. Undefined when it does not exist; empty when neither copy is whole. */
export function readTwoCopies(files: Files, path: string): Buffer | undefined {
  if (files.stat(path) === undefined) return undefined;
  const file = files.open(path, 'write');
  try {
    const copies = COPIES.map((at) => readCopy(file, at));
    const newest = newestOf(copies);
    if (newest === undefined) return Buffer.alloc(0);
    if (copies.some((copy) => copy?.number !== newest.number)) {
      const other = makeSure(file, copies);
      writeDurably(file, encode(newest.number, newest.content), other);
    }
    files.syncDirectory(dirname(path));
    return newest.content;
  } finally {
    file.close();
  }
}

/** Where the copy with this number is written first. */
function turnOf(number: number): number {
  return COPIES[number % 2 === 0 ? 1 : 0];
}

function otherThan(at: number): number {
  return at === COPIES[0] ? COPIES[1] : COPIES[0];
}

/** Of copies one of which is whole: where nothing is to be lost. The other one is durable on return. */
function makeSure(file: OpenFile, copies: readonly (Copy | undefined)[]): number {
  const [one, two] = copies;
  if (one === undefined) return COPIES[0];
  if (two === undefined) return COPIES[1];
  if (one.number === two.number) return turnOf(one.number + 1);
  const [newest, at] = one.number > two.number ? [one, COPIES[0]] : [two, COPIES[1]];
  // The same bytes again: they harm nothing where they are on the medium, and may not be.
  writeDurably(file, encode(newest.number, newest.content), at);
  return otherThan(at);
}

/** All of its blocks are written once, so that no later content needs a new one. */
function create(files: Files, path: string, copy: Buffer): void {
  const temporary = `${path}.new`;
  files.remove(temporary);
  const file = files.open(temporary, 'create-new');
  try {
    file.write(Buffer.alloc(2 * COPY_SIZE), 0);
    for (const at of COPIES) file.write(copy, at);
    file.syncNow();
  } finally {
    file.close();
  }
  files.rename(temporary, path);
  files.syncDirectory(dirname(path));
}

function writeDurably(file: OpenFile, copy: Buffer, at: number): void {
  file.write(copy, at);
  file.syncNow();
}

function encode(number: number, content: Uint8Array): Buffer {
  const crc = checksum(number, content);
  const line = `${JSON.stringify({ number, length: content.length, crc })}\n`;
  return Buffer.concat([Buffer.from(line, 'latin1'), content]);
}

function checksum(number: number, content: Uint8Array): number {
  return crc32(content, crc32(String(number)));
}

/** Undefined when it is not whole. */
function readCopy(file: OpenFile, at: number): Copy | undefined {
  const bytes = Buffer.alloc(COPY_SIZE);
  const count = file.read(bytes, at);
  const match = LINE.exec(bytes.toString('latin1', 0, LINE_MAX));
  if (match === null) return undefined;
  const [line, number, length, crc] = [match[0], Number(match[1]), Number(match[2]), Number(match[3])];
  const end = line.length + length;
  const content = bytes.subarray(line.length, end);
  return end <= count && checksum(number, content) === crc ? { number, content } : undefined;
}

function newestOf(copies: readonly (Copy | undefined)[]): Copy | undefined {
  const [first, second] = copies;
  return (first?.number ?? 0) >= (second?.number ?? 0) ? first : second;
}
