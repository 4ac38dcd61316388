import { loadedPayloadPosition, type LoadedRaw } from '../journal/raw-segment.ts';
import { RecordFlag, RecordKind } from '../journal/record.ts';
import type { CapturedVolume } from './captured-volume.ts';

/** What a raw segment of an earlier run holds of hosts' writes is read from there. A copy says nothing that the volume does not, or what it held once. */
export function reindex(volumes: readonly CapturedVolume[], raw: LoadedRaw, generation: number): void {
  for (const record of raw.records) {
    const volume = volumes.find((candidate) => candidate.volumeIndex === record.volume);
    if (volume === undefined || (record.flags & RecordFlag.fromVolume) !== 0) continue;
    if (record.kind === RecordKind.write) {
      const at = loadedPayloadPosition(record);
      volume.index.addWrite(record.offset, record.length, generation, at);
    } else if (record.kind === RecordKind.zero)
      volume.index.addZero(record.offset, record.length, generation);
  }
}
