/** Status reports that a daemon would give in the situations that an operator meets. All at one moment. */
import type {
  BufferStatus,
  DestinationGroupStatus,
  SourceStatus,
  StatusReport,
  StreamStatus,
} from '../../src/api/contract/status.ts';

import { COMPARED } from './told-comparing.ts';
import { REHEARSALS } from './told-rehearsals.ts';

const NOW = Date.UTC(2026, 10, 21, 2, 14, 0);
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const seconds = (count: number): number => count * 1000;

const buffer: BufferStatus = {
  folder: '/var/spool/blockferry/oracle',
  used: 1.25 * GIB,
  quota: 20 * GIB,
  room: 18.75 * GIB,
};

const stream: StreamStatus = {
  destination: 'dr-site',
  link: 'ftp://ferry@10.1.0.9:2121/oracle',
  limit: { kind: 'unlimited' },
  state: 'idle',
  received: 48_210,
  applied: 48_210,
  lagSeconds: 0,
  lagBytes: 0,
  backlogSegments: 0,
  rate: 0,
  segmentsSent: 311,
  bytesSent: 2.5 * GIB,
  lastStatusAt: NOW - seconds(1),
  waits: [],
};

const source: SourceStatus = {
  role: 'source',
  name: 'oracle',
  mode: 'journal',
  volumes: [
    { name: 'data', size: 4 * GIB },
    { name: 'log', size: 512 * MIB },
  ],
  lsn: 48_210,
  durableLsn: 48_210,
  checkpoint: 48_000,
  buffer,
  hosts: 1,
  waits: [],
  streams: [stream],
};

const destination: DestinationGroupStatus = {
  role: 'destination',
  name: 'mail',
  volumes: [{ name: 'store', size: 2 * GIB }],
  received: 9000,
  applied: 9000,
  appliedTime: NOW - seconds(2),
  consistent: true,
  behindSeconds: 2,
  inboxSegments: 0,
  missing: [],
  setAside: 0,
  snapshots: 5,
  mounts: [
    { name: 'before-upgrade', lsn: 8000, time: NOW - 3_600_000, writable: true, mountedAt: NOW - 60_000 },
  ],
  buffer: { ...buffer, folder: '/var/spool/blockferry/mail' },
  waits: [],
};

const report = (...groups: StatusReport['groups']): StatusReport => ({
  version: '0.1.0',
  startedAt: NOW - seconds(3 * 3600 + 12 * 60),
  now: NOW,
  groups,
});

export const REPORTS = {
  healthy: report(source, destination),
  compared: report(
    {
      ...source,
      verification: COMPARED,
    },
    {
      ...destination,
      verification: {
        found: 2,
        mended: 1,
        differing: [{ volume: 'store', offset: 5 * MIB, length: MIB, lsn: 8800 }],
      },
    },
  ),

  'link-down': report({
    ...source,
    lsn: 50_000,
    durableLsn: 49_990,
    streams: [
      {
        ...stream,
        state: 'failed',
        lagSeconds: 182,
        lagBytes: 34 * MIB,
        backlogSegments: 3,
        rate: 1.5 * MIB,
        timeLeftSeconds: 22.7,
        lastStatusAt: NOW - seconds(182),
        waits: [
          {
            code: 'link-down',
            severity: 'warning',
            message: 'the server at 10.1.0.9:2121 refuses the connection; start it or check the firewall',
            since: NOW - seconds(182),
            nextTryAt: NOW + seconds(12),
            endsAt: null,
          },
        ],
      },
    ],
  }),

  hole: report({
    ...destination,
    received: 8000,
    applied: 8000,
    behindSeconds: 45,
    inboxSegments: 6,
    setAside: 1,
    missing: [
      { first: 8001, last: 8100 },
      { first: 8200, last: 8200 },
      { first: 8300, last: 8400 },
      { first: 8500, last: 8600 },
    ],
    waits: [
      {
        code: 'hole',
        severity: 'warning',
        message: 'LSN 8001 to 8100 have not arrived; they have been asked for again.',
        since: NOW - seconds(43),
        endsAt: null,
      },
    ],
  }),

  'buffer-full': report({
    ...source,
    mode: 'change-map',
    copy: { left: 700 * MIB },
    buffer: { ...buffer, used: 20 * GIB, room: 0 },
    waits: [
      {
        code: 'change-map',
        severity: 'error',
        message:
          'the buffer holds 20.0 GiB: what hosts change is marked, and brought over when it is half empty',
        since: NOW - seconds(7260),
        endsAt: NOW + seconds(540),
      },
    ],
    streams: [{ ...stream, state: 'waiting', lagSeconds: 93_600, lagBytes: 20 * GIB, backlogSegments: 640 }],
  }),

  deposed: report({
    ...source,
    serves: false,
    hosts: 0,
    epoch: 1,
    waits: [
      {
        code: 'deposed',
        severity: 'error',
        message:
          'the other side took over: nobody is served until `blockferry rejoin`; is that what you want?',
        since: NOW - seconds(60),
        endsAt: null,
      },
    ],
  }),

  coalesced: report({
    ...source,
    coalesced: { segments: 12, bytesSaved: 80 * MIB, ranges: [{ first: 4000, last: 9000 }] },
  }),

  'snapshot-assisted': report({
    ...source,
    mode: 'snapshot-assisted',
    copy: { left: 700 * MIB },
    interval: {
      everySeconds: 3600,
      nextAt: NOW + seconds(1200),
      skipped: 2,
      point: { lsn: 8000, time: NOW - seconds(2400) },
    },
  }),

  'volume-offline': report({
    ...destination,
    received: 9500,
    inboxSegments: 1,
    behindSeconds: 600,
    waits: [
      {
        code: 'volume-offline',
        severity: 'error',
        message: 'volume store (/dev/sdc) cannot be opened: ENOENT\u001b[31m\nforged line',
        since: NOW - seconds(600),
        nextTryAt: NOW - seconds(1),
        endsAt: null,
      },
    ],
  }),

  'marker-running': report({
    ...destination,
    waits: [
      {
        code: 'marker-running',
        severity: 'info',
        message: 'marker nightly-backup at LSN 9000 is running its program (attempt 1)',
        since: NOW - seconds(4),
        endsAt: NOW + seconds(596),
      },
    ],
  }),

  rehearsed: report({
    ...destination,
    rehearsal: REHEARSALS,
    waits: [
      {
        code: 'rehearsal-failed',
        severity: 'error',
        message:
          'the rehearsal of LSN 8900 failed: the check ended with exit code 8; the last that it printed: data: bad superblock',
        since: NOW - seconds(3596),
        endsAt: null,
      },
    ],
  }),

  initializing: report(
    {
      ...source,
      mode: 'initializing',
      copy: { left: 2.5 * GIB, total: 4.5 * GIB, rate: 8 * MIB, timeLeftSeconds: 320 },
      hosts: 0,
      streams: [
        {
          destination: 'dr-site',
          link: stream.link,
          limit: stream.limit,
          state: 'sending',
          received: 0,
          applied: 0,
          lagBytes: 900 * MIB,
          backlogSegments: 29,
          rate: 8.2 * MIB,
          timeLeftSeconds: 109,
          segmentsSent: 0,
          bytesSent: 0,
          waits: [],
        },
      ],
    },
    {
      role: 'destination',
      name: 'mail',
      volumes: destination.volumes,
      received: 0,
      applied: 0,
      appliedTime: 0,
      consistent: false,
      inboxSegments: 1,
      missing: [],
      setAside: 0,
      snapshots: 0,
      mounts: [],
      buffer: { ...buffer, folder: '/var/spool/blockferry/mail' },
      waits: [],
    },
  ),

  scheduled: report({
    ...source,
    streams: [
      {
        ...stream,
        limit: { kind: 'rate', bytesPerSecond: 250_000, burst: 62_500, until: NOW + seconds(13_560) },
      },
      {
        ...stream,
        destination: 'lab',
        limit: { kind: 'delay', milliseconds: 30_000, until: NOW + seconds(960) },
      },
      {
        ...stream,
        destination: 'attic',
        state: 'waiting',
        limit: { kind: 'closed', until: NOW + seconds(3600), opensAt: NOW + seconds(3600) },
        lagBytes: 34 * MIB,
        backlogSegments: 5,
        waits: [
          {
            code: 'schedule-closed',
            severity: 'info',
            message: 'the schedule has the link closed until 2026-11-21 04:14 (Europe/Zurich)',
            since: NOW - seconds(60),
            endsAt: NOW + seconds(3600),
          },
        ],
      },
    ],
  }),

  'no-groups': report(),
} as const satisfies Record<string, StatusReport>;
