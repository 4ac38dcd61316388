/** Someone who can do with the files on the server what he likes, but has no key (I12). */
import { encodeStatus } from '../../../src/journal/status-codec.ts';
import type { DestinationStatus } from '../../../src/journal/status.ts';
import { lsn, type VolumeIndex } from '../../../src/journal/ids.ts';
import { sealedName } from '../../../src/journal/names.ts';
import { encodeRecord, RecordKind } from '../../../src/journal/record.ts';
import { decodeHeader, HEADER_SIZE, SEGMENT_FORMAT } from '../../../src/journal/segment/format.ts';
import { SegmentRefused, type SegmentHeader } from '../../../src/journal/segment/segment.ts';
import type { SegmentOptions } from '../../../src/journal/segment/writer.ts';
import { writeSegment } from '../../support/segment-file.ts';
import type { Files, OpenFile } from '../../../src/platform/files.ts';
import type { Dice } from '../platform/dice.ts';
import type { Inode } from '../platform/inode.ts';
import type { Attack } from '../steps.ts';
import type { FileServer } from './server.ts';

/** Milliseconds that a status file stays forged. */
const FORGED_FOR = 3000;

export class Attacker {
  readonly #server: FileServer;
  readonly #dice: Dice;

  constructor(server: FileServer, dice: Dice) {
    this.#server = server;
    this.#dice = dice;
  }

  attack(how: Attack): void {
    const inbox = this.#inbox();
    const old = this.#server.oldFiles;
    switch (how) {
      case 'swap':
        if (inbox.length >= 2) this.#swap(this.#dice.pick(inbox), this.#dice.pick(inbox));
        return;
      case 'replay':
        if (old.length > 0) this.#server.appear(this.#dice.pick(old).name, this.#dice.pick(old).bytes);
        return;
      case 'cut':
        if (inbox.length > 0) this.#change((inode) => inode.resize(this.#dice.below(inode.size + 1)));
        return;
      case 'flip':
        if (inbox.length > 0)
          this.#change((inode) => inode.flipBit(this.#dice.below(inode.size), this.#dice.below(8)));
        return;
      case 'remove':
        if (inbox.length > 0) this.#server.machine.disk.remove(this.#dice.pick(inbox));
        return;
      case 'forge-segment':
        this.#forgeSegment();
        return;
      case 'forge-status':
        this.#forgeStatus();
        return;
      case 'replay-status':
        if (this.#server.oldStatus.length > 0) this.#putStatus(this.#dice.pick(this.#server.oldStatus));
    }
  }

  #inbox(): string[] {
    const { disk } = this.#server.machine;
    const folder = this.#server.path('inbox');
    return disk.stat(folder) === undefined ? [] : disk.list(folder).map((name) => `${folder}/${name}`);
  }

  #swap(one: string, other: string): void {
    const { disk } = this.#server.machine;
    const bytes = disk.find(one)!.content();
    disk.find(one)!.resize(0);
    disk.find(one)!.write(disk.find(other)!.content(), 0);
    disk.find(other)!.resize(0);
    disk.find(other)!.write(bytes, 0);
  }

  #change(change: (inode: Inode) => void): void {
    const inode = this.#server.machine.disk.find(this.#dice.pick(this.#inbox()));
    if (inode !== undefined && inode.size > 0) change(inode);
  }

  /** What comes next, with contents of his own: he can read the headers, so that it joins up, and write segments. */
  #forgeSegment(): void {
    const old = this.#server.oldFiles;
    if (old.length === 0) return;
    const { name, bytes } = this.#dice.pick(old.slice(-2));
    const header = headerOf(name, bytes);
    if (header === undefined) return;
    const first = lsn(header.last + 1);
    const last = lsn(header.last + this.#dice.between(1, 20));
    const volume = 0 as VolumeIndex;
    const write = { kind: RecordKind.write, flags: 0, volume, lsn: first, offset: 0 };
    const record = encodeRecord(write, Buffer.alloc(4096, 0xee), header.recordSeed);
    const facts = { ...header, first, last, digestBefore: header.digestAfter, digestAfter: 'ee'.repeat(32) };
    const key = this.#dice.chance(0.5) ? undefined : Buffer.alloc(32, 99);
    const target = `inbox/${sealedName({ epoch: header.epoch.number, first, last })}`;
    this.#server.appear(target, sealedBytes(facts, record, { key, compression: 0, random: this.#dice }));
  }

  /** Says that everything was received: a source that believed it would free what nobody has. */
  #forgeStatus(): void {
    const status: DestinationStatus = {
      version: 3,
      groupId: '',
      sequence: 1_000_000_000,
      writtenAt: 0,
      role: 'destination',
      epoch: undefined,
      received: lsn(1_000_000),
      applied: lsn(1_000_000),
      appliedTime: 0,
      missing: [],
      refused: [],
      full: this.#dice.chance(0.5),
      consistent: true,
      waiting: undefined,
    };
    const key = this.#dice.chance(0.5) ? undefined : Buffer.alloc(32, 99);
    const bytes = encodeStatus(status, key, 'g', this.#dice);
    if (this.#dice.chance(0.3)) bytes[this.#dice.below(bytes.length)]! ^= 0x20;
    this.#putStatus(bytes);
  }

  #putStatus(bytes: Buffer): void {
    this.#server.forgedStatus = { bytes, until: this.#server.machine.loop.now + FORGED_FOR };
  }
}

type Facts = Parameters<typeof writeSegment>[2];

/** A segment of one record, as the product would write it. */
function sealedBytes(facts: Facts, record: Buffer, options: SegmentOptions): Buffer {
  const parts: Buffer[] = [];
  const file: Partial<OpenFile> = {
    write: (bytes) => void parts.push(Buffer.from(bytes)),
    syncNow: () => undefined,
    close: () => undefined,
  };
  const files: Partial<Files> = { open: () => file as OpenFile };
  writeSegment(files as Files, '/forged', facts, [record], 4096, options);
  return Buffer.concat(parts);
}

/** Undefined of a file that arrived damaged: there is nothing to be had from it. */
function headerOf(name: string, bytes: Buffer): SegmentHeader | undefined {
  try {
    return decodeHeader(bytes.subarray(0, HEADER_SIZE), name, SEGMENT_FORMAT).header;
  } catch (error) {
    if (error instanceof SegmentRefused) return undefined;
    throw error;
  }
}
