/**
 * Deliberate breaks of the code that upholds the invariants, each of which the simulation must catch. They are made to a
 * module's text as it is loaded, in a child process of the tests alone.
 */
export interface Plant {
  readonly name: string;
  /** What it takes away. */
  readonly invariant: string;
  readonly edits: readonly Edit[];
  /** Caught within so many seeds from `from` on. */
  readonly seeds: number;
  /** 1, but for breaks that many a seed before it makes slow: what goes wrong then takes minutes to be called stuck. */
  readonly from: number;
}

export interface Edit {
  /** Below `src`. */
  readonly module: string;
  /** Stands there once. */
  readonly find: string;
  readonly replace: string;
}

const plantFrom =
  (from: number) =>
  (invariant: string, name: string, seeds: number, ...edits: readonly Edit[]): Plant => ({
    name,
    invariant,
    seeds,
    from,
    edits,
  });
const plant = plantFrom(1);
const edit = (module: string, find: string, replace = ''): Edit => ({ module, find, replace });

export const PLANTS: readonly Plant[] = [
  plant(
    'I1',
    'a flush does not sync the open segment',
    2000,
    edit('capture/journal-writer.ts', 'if (target >= current.header.first) await current.file.sync();'),
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
  plant(
    'I1',
    'a write whose append failed is acknowledged',
    2000,
    edit(
      'capture/captured-volume.ts',
      'throw toHostError(error, `cannot journal a write to volume ${this.name}`);',
    ),
  ),
  plant(
    'I2',
    'what is recovered is handed on without a sync',
    3000,
    edit('capture/group-host.ts', 'file.syncNow();'),
  ),
  plant(
    'I2',
    'what a failed sync may have given up is synced again without being written again',
    600,
    edit('capture/group-host.ts', 'rewrite(file, raw.end);'),
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
    edit('capture/group-host.ts', 'this.#reindex(raw, generation);'),
  ),
  plant(
    'I2',
    'the source moves its checkpoint before its volumes are synced',
    100,
    edit('daemon/source-back.ts', 'this.#volumes.sync();'),
  ),
  plant(
    'I2',
    'what changes is marked after the checkpoint says so',
    2000,
    edit(
      'daemon/source-back.ts',
      'map.sync();\n    this.#move({ ...this.#checkpoint, ...position });',
      'this.#move({ ...this.#checkpoint, ...position });\n    map.sync();',
    ),
  ),
  plant(
    'I2',
    'what was copied is marked no more though it is left out',
    400,
    edit('daemon/source-back.ts', 'tracker.shipped(records.slice(leftOut));', 'tracker.shipped(records);'),
  ),
  plant(
    'I3',
    'what is written while nothing is shipped is not marked',
    100,
    edit('daemon/source-back.ts', 'tracker.leftOut(records.slice(0, leftOut));'),
  ),
  plant(
    'I6',
    'a torn block of the change map is taken for one that has nothing marked',
    3000,
    edit('capture/change-map.ts', 'unreadable += 1;\n      markBlock(volume, i);', 'unreadable += 1;'),
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
  plantFrom(30)(
    'I4',
    'what arrives is not checked',
    2000,
    edit('destage/received-journal.ts', 'if (whole) reader.verify();'),
  ),
  plantFrom(30)(
    'I4',
    'the CRCs of frames and records are not looked at',
    2000,
    edit(
      'journal/record.ts',
      'if (crc32(buffer.subarray(at + 4, end), seed) !== buffer.readUInt32BE(at)) return undefined;',
    ),
    edit(
      'journal/segment/format.ts',
      'crc32(bytes.subarray(FRAME_HEADER_SIZE), crc32(bytes.subarray(0, 28))) !== bytes.readUInt32BE(28)',
      'false',
    ),
  ),
  plant(
    'I5',
    'a segment is acknowledged before it is synced',
    100,
    edit('destage/received-journal.ts', 'file.syncNow();'),
  ),
  plant(
    'I5',
    'a segment is acknowledged before its name is synced',
    100,
    edit('destage/received-journal.ts', 'try {\n      this.#files.syncDirectory(this.#folder);', 'try {'),
  ),
  plant(
    'I5',
    'segments are freed once they are destaged',
    100,
    edit(
      'daemon/source-group.ts',
      'const limit = Math.min(received, this.#checkpoint.applied);',
      'const limit = Math.max(received * 0, this.#checkpoint.applied);',
    ),
  ),
  plantFrom(350)(
    'I5',
    'what a killed process received is acknowledged before its name is synced',
    3000,
    edit('destage/received-journal.ts', 'if (found.length > 0) this.#files.syncDirectory(this.#folder);'),
  ),
  plant(
    'I5',
    'a segment whose sync failed is acknowledged after a second sync',
    600,
    edit('destage/received-journal.ts', 'if (isInDoubt && writable) rewrite(file, file.size());'),
  ),
  plant(
    'I6',
    'the destination moves its checkpoint before its volumes are synced',
    100,
    edit(
      'destage/destination-back.ts',
      'this.#applier.sync();\n        this.#move(state);',
      'this.#move(state);',
    ),
  ),
  plant(
    'I6',
    'a state file is renamed before it is synced',
    2000,
    edit('platform/atomic-file.ts', 'file.syncNow();'),
  ),
  plant(
    'I6',
    'the directory of a state file is not synced',
    2000,
    edit('platform/atomic-file.ts', 'files.syncDirectory(dirname(path));'),
  ),
  plant(
    'I7',
    'what is kept for a snapshot is not synced before the overwrite',
    2000,
    edit(
      'recovery/chunk-file.ts',
      'appended = this.#append(appending, keys, how);\n      appending.file.syncNow();',
      'appended = this.#append(appending, keys, how);',
    ),
  ),
  plant(
    'I7',
    'what a snapshot needs is kept after the overwrite',
    400,
    edit('volume/volume-set.ts', 'options.preserve?.(', 'const late = () => options.preserve?.('),
    edit(
      'volume/volume-set.ts',
      '        else zero(file, record);\n      });\n    }',
      '        else zero(file, record);\n      });\n    }\n    late();',
    ),
  ),
  plant(
    'I8',
    'a segment that could not be written is passed over',
    2000,
    edit(
      'daemon/raw-stages.ts',
      'this.#steps.onFailed(stage, error);',
      'this.#steps.onFailed(stage, error);\n      this.#queues[stage].shift();',
    ),
  ),
  plant(
    'I9',
    'the journal is applied past a marker whose program is to run',
    400,
    edit('destage/destination-back.ts', 'if (state.pending !== undefined || done', 'if (done'),
  ),
  plant(
    'I9',
    'the attempt of a marker program is not noted before it is started',
    2000,
    edit(
      'destage/destination-back.ts',
      'return Promise.resolve(this.#changeMarker(id, (marker) => ({ ...marker, attempt: marker.attempt + 1 })));',
      'const found = [this.#state.pending, ...this.#state.background].find((marker) => marker?.id === id);\n    return Promise.resolve(found && { ...found, attempt: found.attempt + 1 });',
    ),
  ),
  plant(
    'I9',
    'a marker is not the last record of its segment',
    400,
    edit(
      'capture/group-host.ts',
      'this.#writer.close();\n    await this.#writer.durable();\n    return { lsn, time };',
      'await this.#writer.durable();\n    return { lsn, time };',
    ),
  ),
  plant(
    'I9',
    'a snapshot is made again when its marker is applied again',
    2000,
    edit('recovery/copy-on-write-store.ts', 'if (this.#catalogue.has(info.id)) return;'),
  ),
  plant(
    'I10',
    'a full copy overwrites a replica that nothing was kept of',
    2000,
    edit('destage/applier.ts', 'if (state.consistent) this.#keepBefore(record, state);'),
  ),
  plantFrom(100)(
    'I12',
    'a status file that is not authentic is believed',
    2000,
    edit(
      'journal/status-codec.ts',
      "if (!envelope.success) throw forged('it is not encrypted, but this group has a key');",
      'if (!envelope.success) return parseStatus(json);',
    ),
  ),
  plant(
    'I12',
    'a segment that is not encrypted is taken though there is a key',
    2000,
    edit(
      'journal/segment/reader.ts',
      'if (!header.encrypted && key === undefined) return undefined;',
      'if (!header.encrypted) return undefined;',
    ),
  ),
];
