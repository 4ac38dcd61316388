/**
 * Gives what is on a block device that is thrown away other names than its original has, so that both can be on one machine: the
 * UUIDs of ext4 and XFS file systems, NTFS's volume serial number, and the identifiers of partition tables and their
 * partitions. By the programs of the field, each of which knows its copies and checksums; NTFS alone is done here, as
 * ntfslabel gives a volume that was in use (--force) another serial number only with its journal emptied.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdtempSync, openSync, readSync, rmdirSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { idFailed, runProgram } from './programs.ts';
import { printable } from './text.ts';

/** Milliseconds that a file system's own journal may take to be replayed, or its structure to be checked. */
const REPAIR_TIME_MAX = 30 * 60_000;
/** blkid: it found nothing. */
const NOTHING_FOUND = 2;
/** e2fsck: it corrected something. */
const CORRECTED = 1;

export interface NewId {
  /** Undefined: the whole device. */
  readonly partition?: number;
  /** As blkid calls it: `ext4`, `xfs`, `ntfs`, `gpt`, `dos`, … */
  readonly kind: string;
  readonly before: string;
  /** Undefined: it stays what it was, as this kind is not known. */
  readonly after?: string;
}

/**
 * What was found on a device that may be written, and what its names are now; nothing where nothing was recognised.
 * @throws CommandError `PROGRAM_MISSING`, `NEW_UUID_FAILED`, `DEVICE_FAILED`
 */
export async function substituteIds(device: string): Promise<NewId[]> {
  const { id, kind, isTable } = await probe(device);
  if (kind === undefined) return [];
  const renew = RENEWERS[kind];
  if (renew === undefined) return [{ kind, before: id }];
  await renew(device);
  const partitions = isTable ? await substituteInPartitions(device) : [];
  await runProgram('blockdev', ['--flushbufs', device]);
  const { id: after } = await probe(device);
  if (after === id) throw idFailed(`the ${kind} on ${device} still has the identifier ${id}`);
  return [{ kind, before: id, after }, ...partitions];
}

interface Probed {
  readonly kind: string | undefined;
  readonly id: string;
  readonly isTable: boolean;
}

/** By what is there, not by what somebody remembers of it. */
async function probe(device: string): Promise<Probed> {
  const output = await runProgram('blkid', ['-p', '-o', 'export', device], { good: [0, NOTHING_FOUND] });
  const found = new Map<string, string>();
  for (const line of output.split('\n')) {
    const [name = '', ...value] = line.split('=');
    found.set(name, value.join('='));
  }
  const [type, table] = [found.get('TYPE'), found.get('PTTYPE')];
  const id = found.get(type === undefined ? 'PTUUID' : 'UUID') ?? '';
  return { kind: type ?? table, id, isTable: type === undefined };
}

const RENEWERS: Readonly<Record<string, ((device: string) => Promise<unknown>) | undefined>> = {
  ext2: renewExt,
  ext3: renewExt,
  ext4: renewExt,
  xfs: renewXfs,
  ntfs: renewNtfs,
  gpt: (device) => runProgram('sgdisk', ['-G', device]),
  async dos(device) {
    const id = `0x${randomBytes(4).toString('hex')}`;
    await runProgram('sfdisk', ['--no-reread', '--no-tell-kernel', '--disk-id', device, id]);
  },
};

async function renewExt(device: string): Promise<void> {
  const header = await runProgram('dumpe2fs', ['-h', device]);
  const features = new Set(/^Filesystem features:(.*)$/m.exec(header)?.[1]?.trim().split(/\s+/));
  const repair = { timeLimit: REPAIR_TIME_MAX, good: [0, CORRECTED] };
  const [hasJournal, hasChecksums] = [features.has('has_journal'), features.has('metadata_csum')];
  // Checksums then go on being made with the old UUID; otherwise all of the metadata would have to be written anew.
  const wantsSeed = hasChecksums && !features.has('metadata_csum_seed');
  // What has older checksums gets them anew, for which tune2fs wants it freshly checked.
  const wantsCheck = !hasJournal || !hasChecksums;
  if (hasJournal) await runProgram('e2fsck', ['-p', '-E', 'journal_only', device], repair);
  if (wantsCheck) await runProgram('e2fsck', ['-f', '-p', device], repair);
  if (wantsSeed) await runProgram('tune2fs', ['-O', 'metadata_csum_seed', device], repair);
  await runProgram('tune2fs', ['-U', 'random', device], repair);
}

async function renewXfs(device: string): Promise<void> {
  // The log goes by the UUID, and is replayed by a mount alone.
  const place = mkdtempSync(join(tmpdir(), 'blockferry-xfs-'));
  try {
    await runProgram('mount', ['-t', 'xfs', '-o', 'nouuid', device, place], { timeLimit: REPAIR_TIME_MAX });
    await runProgram('umount', [place], { timeLimit: REPAIR_TIME_MAX });
  } finally {
    rmdirSync(place);
  }
  await runProgram('xfs_admin', ['-U', 'generate', device], { timeLimit: REPAIR_TIME_MAX });
}

/** The boot sector, whose copy is the volume's last sector: ntfs.h of Linux (fs/ntfs3), `struct NTFS_BOOT`. */
const NTFS = { system: 3, sectorSize: 11, sectors: 40, serial: 72, serialLength: 8, length: 512 } as const;

function renewNtfs(device: string): Promise<void> {
  const file = openSync(device, 'r+');
  try {
    const boot = Buffer.alloc(NTFS.length);
    readSync(file, boot, 0, boot.length, 0);
    const copyAt = boot.readUInt16LE(NTFS.sectorSize) * Number(boot.readBigUInt64LE(NTFS.sectors));
    const serial = randomBytes(NTFS.serialLength);
    for (const at of [copyAt, 0]) {
      readSync(file, boot, 0, boot.length, at);
      const system = boot.toString('latin1', NTFS.system, NTFS.system + 8);
      if (system !== 'NTFS    ') throw idFailed(`${device} has no NTFS boot sector at byte ${at}`);
      writeSync(file, serial, 0, serial.length, at + NTFS.serial);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return Promise.resolve();
}

/** Each by a loop device of its own, as not every system makes devices of a loop device's partitions. */
async function substituteInPartitions(device: string): Promise<NewId[]> {
  const found: NewId[] = [];
  for (const { number, offset, size } of await partitionsOf(device)) {
    const range = ['--offset', String(offset), '--sizelimit', String(size)];
    const part = (await runProgram('losetup', ['-f', '--show', ...range, device])).trim();
    try {
      for (const id of await substituteIds(part)) found.push({ partition: number, ...id });
    } finally {
      await runProgram('losetup', ['-d', part]);
    }
  }
  return found;
}

interface Partition {
  readonly number: number;
  /** Bytes, as is `size`. */
  readonly offset: number;
  readonly size: number;
}

/** Twice as many as a GPT has for the most part. */
const PARTITIONS_MAX = 256;
/** partx: in sectors of 512 bytes. */
const SECTOR = 512;
/** Types of extended partitions in a `dos` table; those inside one are listed themselves. */
const EXTENDED: readonly string[] = ['0x5', '0xf', '0x85'];

async function partitionsOf(device: string): Promise<Partition[]> {
  const columns = ['--noheadings', '--raw', '--output', 'NR,START,SECTORS,TYPE'];
  const rows = (await runProgram('partx', [...columns, device])).split('\n');
  if (rows.length > PARTITIONS_MAX) throw idFailed(`${device} has more than ${PARTITIONS_MAX} partitions`);
  return rows.flatMap((row) => {
    const [number, start, sectors, type = ''] = row.split(' ');
    if (number === undefined || number === '' || EXTENDED.includes(type)) return [];
    return { number: Number(number), offset: Number(start) * SECTOR, size: Number(sectors) * SECTOR };
  });
}

/** What was found and substituted on a volume, in words. */
export function newIdLines(volume: string, ids: readonly NewId[]): string[] {
  const name = printable(volume);
  if (ids.length === 0) return [`${name}: nothing was recognised, so nothing was substituted.`];
  return ids.map(({ partition, kind, before, after }) => {
    const what = `${name}${partition === undefined ? '' : `, partition ${partition}`}: ${printable(kind)}`;
    return after === undefined
      ? `${what} is not known here; what identifies it (${printable(before)}) is as in its original.`
      : `${what} is ${printable(after)} here, and ${printable(before)} in its original.`;
  });
}
