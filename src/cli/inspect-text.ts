/** A segment's header, totals and records in plain words. Pure. */
import { RecordFlag, RecordKind, type JournalRecord } from '../journal/record.ts';
import type { SegmentHeader, SegmentTotals } from '../journal/segment/segment.ts';
import { toldLength } from '../journal/compare.ts';
import { bytesText, columns, countText, printable, timeText } from './text.ts';

/** Characters of a marker's or an attach record's payload that are shown. */
const PAYLOAD_SHOWN_MAX = 400;

export function headerLines(header: SegmentHeader, totals: SegmentTotals): string[] {
  const traits = [
    header.encrypted ? 'encrypted' : 'not encrypted',
    header.compressed ? 'compressed' : 'not compressed',
    header.overwrittenDropped ? 'overwritten data left out' : 'every write kept',
  ];
  const size = `${bytesText(totals.dataBytes)} of volume data in a file of ${bytesText(totals.fileBytes)}`;
  return columns([
    ['group', `${printable(header.group.name)}, id ${header.group.id}`],
    ['epoch', `${header.epoch.number}, id ${header.epoch.id}`],
    ['LSN', `${header.first} to ${header.last}`],
    ['time', `${timeText(header.firstTime)} to ${timeText(header.lastTime)} at the source`],
    ['digest', `before ${header.digestBefore}`],
    ['', `after  ${header.digestAfter}`],
    ['form', traits.join(', ')],
    ['holds', `${countText(totals.records, 'record')} in ${countText(totals.frames, 'frame')}, ${size}`],
  ]);
}

export interface RecordView {
  readonly lsn: number;
  readonly kind: string;
  /** Index in the group; of records of the whole group undefined. */
  readonly volume: number | undefined;
  /** Byte offset in the volume, with `length` bytes. */
  readonly offset: number | undefined;
  readonly length: number | undefined;
  /** Of `clock` and `marker`, milliseconds since 1970. */
  readonly time: number | undefined;
  readonly flags: readonly string[];
  /** Of those whose payload is JSON: what they hold. */
  readonly content: string | undefined;
}

const KIND_NAMES = new Map<RecordKind, string>(
  Object.entries(RecordKind).map(([name, kind]) => [kind, name]),
);

const TOLD: ReadonlySet<RecordKind> = new Set([
  RecordKind.marker,
  RecordKind.attach,
  RecordKind.initBegin,
  RecordKind.handover,
]);

export function recordView(record: JournalRecord): RecordView {
  const { kind, offset } = record;
  const told = toldLength(record);
  const ofVolume = kind === RecordKind.write || kind === RecordKind.zero || told !== undefined;
  const length = told ?? record.length;
  const timed = kind === RecordKind.clock || kind === RecordKind.marker;
  const isText = TOLD.has(kind);
  return {
    lsn: record.lsn,
    kind: KIND_NAMES.get(kind) ?? String(kind),
    volume: ofVolume ? record.volume : undefined,
    offset: ofVolume ? offset : undefined,
    length: ofVolume ? length : undefined,
    time: timed ? offset : undefined,
    flags: Object.entries(RecordFlag).flatMap(([name, flag]) => ((record.flags & flag) === 0 ? [] : [name])),
    content: isText ? printable(record.payload.subarray(0, PAYLOAD_SHOWN_MAX).toString('utf8')) : undefined,
  };
}

export function recordLine(view: RecordView): string {
  const place =
    view.volume === undefined
      ? undefined
      : `volume ${view.volume}, offset ${view.offset ?? 0}, ${view.length ?? 0} bytes`;
  const time = view.time === undefined ? undefined : timeText(view.time);
  const details = [place, time, ...view.flags, view.content].filter((part) => part !== undefined);
  return `${String(view.lsn).padStart(10)}  ${view.kind.padEnd(9)}  ${details.join(', ')}`.trimEnd();
}
