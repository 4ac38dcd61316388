/** Breaks of what keeps the journal whole and in order, at both sites. */
import { edit, intervalPlant, plant, plantFrom, type Plant } from './plant.ts';

export const JOURNAL_PLANTS: readonly Plant[] = [
  intervalPlant(
    'I3',
    'what is written behind the point of a delta loses its mark with what was copied',
    100,
    edit(
      'capture/change-map.ts',
      'if (volume.since?.has(region) !== true) this.#set(volume, region, false);',
      'this.#set(volume, region, false);',
    ),
  ),
  plant(
    'I7',
    'a source overwrites what its own snapshots need',
    100,
    edit('daemon/source-back/source-back.ts', 'this.#own?.preserve(ranges);'),
  ),
  intervalPlant(
    'I3',
    'a delta is read from the volumes as they are, and not as they were at its point',
    100,
    edit('daemon/source-back/source-back.ts', 'this.#point.preserve(ranges);'),
  ),
  plant(
    'I1',
    'a flush does not sync the open segment',
    2000,
    edit('capture/journal-writer.ts', 'if (target >= current.header.first) await current.file.sync();'),
  ),
  plant(
    'I1',
    'a flush of a host that is alone does not sync the open segment',
    2000,
    edit('capture/journal-writer.ts', 'this.#current.file.syncNow();'),
  ),
  plant(
    'I1',
    'a closed segment is not synced',
    2000,
    edit('capture/journal-writer.ts', 'for (const { open } of closing) await open.file.sync();'),
  ),
  plant(
    'I1',
    'the names of journal files are not synced',
    2000,
    edit(
      'capture/journal-writer.ts',
      'if (entries) await this.#options.files.syncDirectoryLater(this.#options.folder);',
    ),
  ),
  plantFrom(36)(
    'I1',
    'a write whose append failed is acknowledged',
    2000,
    edit(
      'capture/captured-volume.ts',
      'throw toHostError(error, `cannot journal a write to volume ${this.name}`);',
    ),
  ),
  plantFrom(13)(
    'I2',
    'what is recovered is handed on without a sync',
    3000,
    edit('capture/recover.ts', 'file.syncNow();'),
  ),
  plantFrom(115)(
    'I2',
    'what a failed sync may have given up is synced again without being written again',
    600,
    edit('capture/recover.ts', 'rewrite(file, end);'),
  ),
  plantFrom(632)(
    'I2',
    'a raw segment tells as durable what is only written when it is begun',
    600,
    edit('capture/journal-writer.ts', 'durable: this.durableLast,', 'durable: this.last,'),
  ),
  plant(
    'I2',
    'a trim is not seen by reads',
    100,
    edit('capture/captured-volume.ts', 'this.index.addZero(offset, length, this.#group.writer.generation);'),
  ),
  plant(
    'I2',
    'the index is not filled again after a restart',
    600,
    edit('capture/group-host.ts', 'reindex(this.#captured, raw, generation);'),
  ),
  plant(
    'I2',
    'the source moves its checkpoint before its volumes are synced',
    100,
    edit('daemon/source-back/source-back.ts', 'this.#volumes.sync();'),
  ),
  plantFrom(2635)(
    'I2',
    'what changes is marked after the checkpoint says so',
    2000,
    edit(
      'daemon/source-back/source-back.ts',
      'map.sync();\n    for (',
      'this.#move(done.at(-1)?.checkpoint ?? this.#checkpoint);\n    map.sync();\n    for (',
    ),
  ),
  plantFrom(205)(
    'I3',
    'what is written while nothing is shipped is not marked',
    100,
    edit('daemon/source-back/source-back.ts', 'tracker.leftOut(sealing.leftOut);'),
  ),
  plant(
    'I3',
    'segments are applied past a hole, and the digest is ignored',
    600,
    edit(
      'destage/inbox-plan.ts',
      'if (first > received) return undefined;',
      "if (first > received) return { kind: 'receive', entry };",
    ),
    edit('destage/received-journal.ts', 'if (header.digestBefore === expected.digest) return;', 'return;'),
  ),
  plant(
    'I3',
    'a write that is overwritten in part only is dropped',
    600,
    edit(
      'journal/seal.ts',
      'if (coverage.contains(record.offset, end)) continue;',
      'if (coverage.contains(record.offset, record.offset + 1)) continue;',
    ),
  ),
  plant(
    'I3',
    'records are applied in no order',
    600,
    edit('volume/volume-set.ts', 'for (const record of data) {', 'for (const record of data.toReversed()) {'),
  ),
  plantFrom(2026)(
    'I4',
    'a freed replication file is written over before its name of before is gone for good',
    600,
    edit('daemon/source-back/spare-files.ts', 'this.#renamed.push(', 'this.#ready.push('),
  ),
  plantFrom(173)(
    'I4',
    'what arrives is not checked',
    2000,
    edit(
      'destage/received-journal.ts',
      'const decoded = DecodedSegment.check(reader, isNext ? DECODED_MAX - this.#decodedBytes() : 0);',
      'const decoded = undefined;',
    ),
    edit('destage/received-journal.ts', 'if (wasOthers) reader.verify();'),
  ),
  plantFrom(323)(
    'I4',
    'the CRCs of frames and records are not looked at',
    2000,
    edit(
      'journal/record.ts',
      'if (crc32(buffer.subarray(at + 4, end), seed) !== buffer.readUInt32BE(at)) return undefined;',
    ),
    edit('journal/segment/format.ts', 'frameChecksum(bytes) === bytes.readUInt32BE(28)', 'true'),
  ),
  plantFrom(306)(
    'I4',
    'a segment that does not continue the journal is joined',
    600,
    edit('destage/received-journal.ts', 'if (header.digestBefore === expected.digest) return;', 'return;'),
  ),
  plantFrom(426)(
    'I4',
    'nobody says that a segment is refused whenever it comes',
    600,
    edit(
      'destage/destination-group.ts',
      "this.#waits.set('refusal', refusalReason(this.#refused(), this.#facts.received));",
    ),
  ),
  plantFrom(2)(
    'I3',
    'a source takes what hosts overwrote for what its volumes hold',
    60,
    edit(
      'capture/medium-watch.ts',
      'if (this.#table.get(volume, piece) !== undefined) this.#table.set(volume, piece, undefined);',
      'continue;',
    ),
  ),
  plantFrom(66)(
    'I3',
    'overwritten data that a verify record speaks of is left out',
    600,
    edit('journal/seal.ts', 'covered.get(record.volume)?.remove(', 'void ('),
  ),
  plantFrom(145)(
    'I3',
    'a replica is compared where it may be ahead',
    600,
    edit('destage/applier.ts', 'state.consistent && record.lsn > this.#begun', 'state.consistent'),
  ),
];
