/** A status report in plain words. Pure: the same report gives the same lines. */
import type {
  BufferStatus,
  CopyStatus,
  DestinationGroupStatus,
  MountStatus,
  SourceMode,
  SourceStatus,
  StatusReport,
  StreamStatus,
  VolumeStatus,
  Wait,
  WindowStatus,
} from '../api/contract/status.ts';
import { limitText } from './limit-text.ts';
import { rehearsalRows } from './rehearsal-text.ts';
import { seedText } from './seed-text.ts';
import { bytesText, columns, countText, durationText, type Paint, printable, timeText } from './text.ts';
import { comparedRows, replicaRows } from './verification-text.ts';

/** Ranges of missing records that are named one by one. */
const MISSING_NAMED_MAX = 3;
/** The same of coalesced ones. */
const COALESCED_NAMED_MAX = 3;

export function statusLines(report: StatusReport, paint: Paint): string[] {
  const running = durationText((report.now - report.startedAt) / 1000);
  const lines = [`Blockferry ${printable(report.version)}, running for ${running}`];
  if (report.groups.length === 0) lines.push('', 'No groups are configured.');
  for (const group of report.groups) {
    lines.push(
      '',
      ...(group.role === 'source' ? sourceLines : destinationLines)(group as never, report.now, paint),
    );
  }
  return lines;
}

function sourceLines(group: SourceStatus, now: number, paint: Paint): string[] {
  const streams = group.streams.map((stream) => streamRow(stream, paint));
  const header = ['LAG', 'BYTES', 'TO', 'STATE', 'BACKLOG', 'RATE', 'TIME LEFT'];
  return [
    `${paint('bold', printable(group.name))}: source, ${modeText(group, paint)}`,
    ...indent(columns([header, ...streams])),
    ...indent(
      columns([
        ...group.streams.flatMap((stream) => [
          ['link', linkText(stream)],
          ...limitRow(stream),
          ['remote', answerText(stream)],
        ]),
        ['journal', journalText(group)],
        ['buffer', bufferText(group.buffer)],
        ...intervalRow(group),
        ...seedRow(group),
        ...coalescedRow(group),
        ...comparedRows(group.verification, now),
        ...(group.snapshots === undefined ? [] : [['snapshots', `${group.snapshots} of its own`]]),
        ...(group.mounts ?? []).map((mount) => ['mount', mountText(mount)]),
        ['volumes', `${volumesText(group.volumes)}; ${countText(group.hosts, 'host')} connected`],
      ]),
    ),
    ...indent(group.waits.map((wait) => waitLine(wait, now, paint))),
    ...indent(
      group.streams.flatMap((stream) =>
        stream.waits.map((wait) => waitLine(wait, now, paint, ` (to ${printable(stream.destination)})`)),
      ),
    ),
  ];
}

function destinationLines(group: DestinationGroupStatus, now: number, paint: Paint): string[] {
  const why =
    group.aheadTo === undefined
      ? 'existing data is still being brought over'
      : 'what was being applied was cut off';
  const state = group.consistent ? 'consistent' : paint('yellow', `no recovery point yet: ${why}`);
  return [
    `${paint('bold', printable(group.name))}: destination, ${state}`,
    ...indent(
      columns([
        ['BEHIND', 'INBOX', 'SNAPSHOTS', 'SET ASIDE', 'MISSING'],
        [
          group.behindSeconds === undefined ? 'unknown' : durationText(group.behindSeconds),
          countText(group.inboxSegments, 'segment'),
          String(group.snapshots),
          group.setAside === 0 ? '0' : paint('yellow', String(group.setAside)),
          missingText(group.missing),
        ],
      ]),
    ),
    ...indent(
      columns([
        ['applied', appliedText(group)],
        ['buffer', bufferText(group.buffer)],
        ['volumes', volumesText(group.volumes)],
        ...windowRow(group.window),
        ...seedRow(group),
        ...group.mounts.map((mount) => ['mount', mountText(mount)]),
        ...rehearsalRows(group.rehearsal, paint),
        ...replicaRows(group.verification, paint),
      ]),
    ),
    ...indent(group.waits.map((wait) => waitLine(wait, now, paint))),
  ];
}

function intervalRow({ interval }: SourceStatus): string[][] {
  if (interval === undefined) return [];
  const { everySeconds, nextAt, skipped, point } = interval;
  const newest =
    point === undefined ? 'nothing sent whole' : `newest as of ${timeText(point.time)} (LSN ${point.lsn})`;
  const missed = skipped === 0 ? '' : `; ${skipped} skipped`;
  return [['interval', `${durationText(everySeconds)}, next at ${timeText(nextAt)}; ${newest}${missed}`]];
}

function seedRow({ seed }: SourceStatus | DestinationGroupStatus): string[][] {
  return seed === undefined ? [] : [['seed', seedText(seed)]];
}

function coalescedRow({ coalesced }: SourceStatus): string[][] {
  if (coalesced === undefined) return [];
  const { segments, bytesSaved, ranges } = coalesced;
  const named = ranges.slice(0, COALESCED_NAMED_MAX).map(({ first, last }) => `${first} to ${last}`);
  const more = ranges.length > named.length ? ` and ${ranges.length - named.length} more` : '';
  const inside = named.length === 0 ? '' : `; no point in time inside LSN ${named.join(', ')}${more}`;
  return [['coalesced', `${countText(segments, 'segment')}, ${bytesText(bytesSaved)} less to send${inside}`]];
}

function modeText(group: SourceStatus, paint: Paint): string {
  const words = modeWords(group, paint);
  if (group.serves !== false || group.mode === 'stopped') return words;
  const nobody = paint('red', 'NO HOSTS ARE SERVED');
  return group.mode === 'journal' ? nobody : `${nobody}; ${words}`;
}

function modeWords(group: SourceStatus, paint: Paint): string {
  const words: Record<SourceMode, string> = {
    initializing: paint('yellow', `${bringingText(group.copy, 'existing data')}; no recovery point yet`),
    journal: 'every write goes over in order',
    'change-map': paint(
      'red',
      `CHANGE MAP: the buffer was full; what hosts change is marked${markedText(group.copy)}`,
    ),
    delta: paint('yellow', `${bringingText(group.copy, 'what changed')}; no recovery point meanwhile`),
    'snapshot-assisted': `what hosts change is marked${markedText(group.copy)}, and goes over on an interval`,
    stopped: paint('red', 'STOPPED: an error needs an operator'),
  };
  return words[group.mode];
}

function bringingText(copy: CopyStatus | undefined, what: string): string {
  const doing =
    copy?.comparing === true
      ? 'comparing with the destinations’ copies, and bringing over what differs'
      : `bringing ${what} over`;
  return `${doing}${copyText(copy)}`;
}

function copyText(copy: CopyStatus | undefined): string {
  if (copy?.total === undefined) return markedText(copy);
  const { left, total, rate, timeLeftSeconds } = copy;
  const done = `, ${Math.floor((1 - left / Math.max(1, total)) * 100)} % of ${bytesText(total)}`;
  const pace = rate === undefined ? '' : `, ${bytesText(rate)}/s`;
  return `${done}${pace}${timeLeftSeconds === undefined ? '' : `, ${durationText(timeLeftSeconds)} left`}`;
}

const markedText = (copy: CopyStatus | undefined): string =>
  copy === undefined ? '' : `, ${bytesText(copy.left)} so far`;

const STATE_STYLE = { idle: 'green', sending: 'green', waiting: 'yellow', failed: 'red' } as const;

function streamRow(stream: StreamStatus, paint: Paint): string[] {
  return [
    stream.lagSeconds === undefined ? 'unknown' : durationText(stream.lagSeconds),
    bytesText(stream.lagBytes),
    printable(stream.destination),
    paint(STATE_STYLE[stream.state], stream.state),
    countText(stream.backlogSegments, 'segment'),
    `${bytesText(stream.rate)}/s`,
    stream.timeLeftSeconds === undefined ? '-' : durationText(stream.timeLeftSeconds),
  ];
}

function linkText(stream: StreamStatus): string {
  const sent = `${countText(stream.segmentsSent, 'segment')} (${bytesText(stream.bytesSent)}) sent`;
  return `${printable(stream.link)}, ${sent}`;
}

/** Nothing where there is no schedule. */
function limitRow({ limit }: StreamStatus): string[][] {
  if (limit.kind === 'unlimited' && limit.until === undefined) return [];
  const burst = limit.burst === undefined ? '' : `, bursts of at most ${bytesText(limit.burst)}`;
  const until = limit.until === undefined ? '' : ` until ${timeText(limit.until)}`;
  const opens =
    limit.kind !== 'closed' || limit.opensAt === limit.until
      ? ''
      : `; opens ${limit.opensAt === undefined ? 'never' : `at ${timeText(limit.opensAt)}`}`;
  return [['limit', `${limitText(limit)}${until}${burst}${opens}`]];
}

/** What the destination last said of itself. */
function answerText({ lastStatusAt, received, applied }: StreamStatus): string {
  if (lastStatusAt === undefined) return 'the destination has not said anything yet';
  return `applied up to LSN ${applied}, received up to ${received}, as of ${timeText(lastStatusAt)}`;
}

function journalText(group: SourceStatus): string {
  return `LSN ${group.lsn}, durable up to ${group.durableLsn}, in the source's own volumes up to ${group.checkpoint}`;
}

function bufferText({ used, quota, room, fullAt, folder }: BufferStatus): string {
  const full = fullAt === undefined ? '' : `, full at ${timeText(fullAt)} at the present rate`;
  return `${bytesText(used)} of ${bytesText(quota)} used, room for ${bytesText(room)}${full}, in ${printable(folder)}`;
}

function volumesText(volumes: readonly VolumeStatus[]): string {
  return volumes.map(({ name, size }) => `${printable(name)} ${bytesText(size)}`).join(', ');
}

function appliedText(group: DestinationGroupStatus): string {
  if (group.applied === 0) return `nothing yet; received up to LSN ${group.received}`;
  const written = group.appliedTime === 0 ? '' : `, written at the source at ${timeText(group.appliedTime)}`;
  return `up to LSN ${group.applied}${written}; received up to ${group.received}`;
}

function windowRow(window: WindowStatus | undefined): string[][] {
  if (window === undefined) return [];
  const { from, bytes, size } = window;
  const start =
    from === undefined
      ? 'none yet: it begins with the next snapshot'
      : `any point in time since ${timeText(from.time)} (LSN ${from.lsn})`;
  return [['window', `${start}, ${bytesText(bytes)} of ${bytesText(size)}`]];
}

function mountText({ name, lsn, time, writable, mountedAt }: MountStatus): string {
  return `${printable(name)}, LSN ${lsn} of ${timeText(time)}${writable ? ', writable' : ''}, since ${timeText(mountedAt)}`;
}

function missingText(missing: DestinationGroupStatus['missing']): string {
  if (missing.length === 0) return 'none';
  const named = missing
    .slice(0, MISSING_NAMED_MAX)
    .map(({ first, last }) => (first === last ? `LSN ${first}` : `LSN ${first} to ${last}`));
  const more = missing.length - named.length;
  return named.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

const SEVERITY_STYLE = { info: 'cyan', warning: 'yellow', error: 'red' } as const;

/** What, why, since when, when it is tried again, and when it ends. */
function waitLine(wait: Wait, now: number, paint: Paint, about = ''): string {
  const { severity, since, nextTryAt, endsAt } = wait;
  const said = printable(wait.message);
  const why = /[.?!]$/.test(said) ? said : `${said}.`;
  const at = (time: number): string => `${timeText(time)} (in ${durationText((time - now) / 1000)})`;
  const begun = `Since ${timeText(since)} (for ${durationText((now - since) / 1000)})`;
  const retry = nextTryAt === undefined ? '' : `; next try at ${at(nextTryAt)}`;
  const end = endsAt === null ? '; its end is not known' : `; ends at ${at(endsAt)}`;
  const code = paint(SEVERITY_STYLE[severity], `! ${printable(wait.code)}`);
  return `${code}${about}: ${why} ${begun}${retry}${end}.`;
}

const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);
