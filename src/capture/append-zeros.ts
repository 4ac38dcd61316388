import type { VolumeIndex } from '../journal/ids.ts';
import { RecordFlag, RecordKind } from '../journal/record.ts';
import type { JournalWriter } from './journal-writer.ts';

/** Bytes that one zero record says are zeros, at most: whole sectors in 32 bits. */
const ZERO_MAX = 0xffff_fe00;

export async function roomIn(writer: JournalWriter): Promise<void> {
  for (let room = writer.room(); room !== undefined; room = writer.room()) await room;
}

/** As what the volume's file holds, so that the source need not write them, nor find them in an index. */
export async function appendZeros(
  writer: JournalWriter,
  volume: VolumeIndex,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<void> {
  for (let offset = start; offset < end; offset += ZERO_MAX) {
    await roomIn(writer);
    writer.append({
      kind: RecordKind.zero,
      volume,
      flags: RecordFlag.fromVolume,
      offset,
      payload: Buffer.alloc(0),
      length: Math.min(ZERO_MAX, end - offset),
    });
  }
}
