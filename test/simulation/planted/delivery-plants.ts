/** Breaks of what is done with a journal that is whole: received, freed, applied, marked, sent. */
import { edit, plant, plantFrom, type Plant } from './plant.ts';

export const DELIVERY_PLANTS: readonly Plant[] = [
  plant(
    'I5',
    'a segment is acknowledged before it is synced',
    100,
    edit('destage/received-journal.ts', 'else sync();', 'else void sync;'),
  ),
  plant(
    'I5',
    'a segment is acknowledged before its name is synced',
    100,
    edit('destage/received-journal.ts', '}\n      this.#files.syncDirectory(this.#folder);', '}'),
  ),
  plant(
    'I5',
    'segments are freed once they are destaged',
    100,
    edit(
      'daemon/source/freeing.ts',
      'Math.min(received() ?? Number.MAX_SAFE_INTEGER, applied())',
      'applied()',
    ),
  ),
  plantFrom(1301)(
    'I5',
    'what a killed process received is acknowledged before its name is synced',
    3000,
    edit('destage/received-journal.ts', 'if (found.length > 0) this.#files.syncDirectory(this.#folder);'),
  ),
  plantFrom(285)(
    'I5',
    'a segment whose sync failed is acknowledged after a second sync',
    600,
    edit('destage/received-journal.ts', 'if (isInDoubt && opened.writable) rewrite(opened.file, bytes);'),
    edit('destage/received-journal.ts', 'if (writable) rewrite(file, bytes);'),
  ),
  plantFrom(890)(
    'I6',
    'volumes whose sync failed are synced again without what was to be written',
    600,
    edit(
      'destage/destination-back.ts',
      'if (batch.count > 0 && !this.#applier.lost) {',
      'if (batch.count > 0) {',
    ),
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
  plantFrom(856)(
    'I6',
    'the second copy of a state file is not looked at',
    600,
    edit(
      'platform/two-copy-file.ts',
      'return (first?.number ?? 0) >= (second?.number ?? 0) ? first : second;',
      'return (second?.number ?? 0) >= 0 ? first : second;',
    ),
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
    edit('recovery/chunk-append.ts', 'begun.wait();'),
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
      'daemon/source/raw-stages.ts',
      'this.#steps.onFailed(stage, error);',
      'this.#steps.onFailed(stage, error);\n      this.#queues[stage].shift();',
    ),
  ),
  plant(
    'I9',
    'the journal is applied past a marker whose program is to run',
    400,
    edit('destage/destination-back.ts', 'if (state.pending !== undefined || batch', 'if (batch'),
  ),
  plantFrom(49)(
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
  plantFrom(223)(
    'I9',
    'a snapshot is made again when its marker is applied again',
    2000,
    edit('recovery/copy-on-write-store.ts', 'if (this.#catalogue.has(info.id)) return;'),
  ),
  plant(
    'I10',
    'a full copy overwrites a replica that nothing was kept of',
    2000,
    edit('destage/applier.ts', 'if (state.consistent) this.#keepBefore(state);'),
  ),
  plantFrom(100)(
    'I12',
    'a status file that is not authentic is believed',
    2000,
    edit(
      'journal/status-codec.ts',
      "if (!envelope.success) throw forged('it is not encrypted, but this group has a key');",
      'if (!envelope.success) return parsePlain(first, rest);',
    ),
  ),
  plantFrom(21)(
    'I12',
    'a segment that is not encrypted is taken though there is a key',
    2000,
    edit(
      'journal/segment/reader.ts',
      'if (!header.encrypted && key === undefined) return undefined;',
      'if (!header.encrypted) return undefined;',
    ),
  ),
  plantFrom(115)(
    'the schedule',
    'a change of daylight saving is noticed an hour late',
    600,
    edit(
      'transfer/schedule/schedule.ts',
      'return Math.floor(mod(time + this.#zone.offset(time) - A_MONDAY, WEEK) / MINUTE);',
      'return Math.floor(mod(time + this.#zone.offset(time - 60 * MINUTE) - A_MONDAY, WEEK) / MINUTE);',
    ),
  ),
  plantFrom(82)(
    'the schedule',
    "a link's rate is not kept to",
    600,
    edit(
      'transfer/shared-link.ts',
      'return this.#pacer.pace(party, wanted, signal);',
      'return this.#pacer.pace(party, wanted, signal).then(() => wanted, () => wanted);',
    ),
  ),
  plant(
    'I3',
    'what differs in a destination’s old copy is not sent',
    100,
    edit(
      'capture/comparing-copy.ts',
      'if ((other?.next(at, true, end) ?? end) < end) this.#send(piece);\n      else if',
      'if',
    ),
    edit('capture/comparing-copy.ts', 'same?.next(at, false, end) === end', 'other !== same'),
  ),
];
