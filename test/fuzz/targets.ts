/** Every parser that is fuzzed. */
import type { TargetEntry } from './engine/target.ts';

const segment =
  (compressed: boolean, encrypted: boolean): TargetEntry['load'] =>
  async () =>
    (await import('./targets/segment.ts')).segmentTarget({ compressed, encrypted });

export const TARGETS: readonly TargetEntry[] = [
  { name: 'segment-plain', covers: ['src/journal/'], load: segment(false, false), inTests: 800 },
  { name: 'segment-compressed', covers: ['src/journal/'], load: segment(true, false), inTests: 800 },
  { name: 'segment-encrypted', covers: ['src/journal/'], load: segment(true, true), inTests: 500 },
  {
    name: 'seed-file',
    covers: ['src/journal/'],
    load: async () => (await import('./targets/seed-file.ts')).seedFileTarget(),
    inTests: 500,
  },
  {
    name: 'seed-manifest',
    covers: ['src/journal/seed/', 'src/platform/atomic-file.ts', 'src/platform/invalid.ts'],
    load: async () => (await import('./targets/seed-manifest.ts')).seedManifestTarget(),
    inTests: 800,
  },
  {
    name: 'raw-segment',
    covers: ['src/journal/', 'src/capture/recover.ts'],
    load: async () => (await import('./targets/raw-segment.ts')).rawSegmentTarget(),
    inTests: 800,
  },
  {
    name: 'status',
    covers: ['src/journal/status', 'src/journal/ids.ts'],
    load: async () => (await import('./targets/status.ts')).statusTarget(),
    inTests: 800,
  },
  {
    name: 'state-files',
    covers: [
      'src/journal/source-files.ts',
      'src/destage/state-file.ts',
      'src/recovery/catalogue.ts',
      'src/api/contract/',
      'src/platform/atomic-file.ts',
      'src/platform/two-copy-file.ts',
    ],
    load: async () => (await import('./targets/state-files.ts')).stateFilesTarget(),
    inTests: 200,
  },
  {
    name: 'smb',
    covers: ['src/smb/'],
    load: async () => (await import('./targets/smb.ts')).smbTarget(),
    inTests: 1500,
  },
  {
    name: 'nbd',
    covers: ['src/nbd/'],
    load: async () => (await import('./targets/nbd.ts')).nbdTarget(),
    inTests: 120,
  },
  {
    name: 'text',
    covers: [
      'src/journal/names.ts',
      'src/config/address.ts',
      'src/config/units.ts',
      'src/config/problems.ts',
      'src/destage/inbox-plan.ts',
      'src/transfer/receiver/addresses.ts',
      'src/transfer/receiver/command.ts',
      'src/transfer/receiver/tree.ts',
      'src/transfer/transports/names.ts',
    ],
    load: async () => (await import('./targets/text.ts')).textTarget(),
    inTests: 2000,
  },
  {
    name: 'listing',
    covers: ['node_modules/basic-ftp/dist/parse'],
    load: async () => (await import('./targets/listing.ts')).listingTarget(),
    inTests: 800,
  },
  {
    name: 'config',
    covers: ['src/config/', 'node_modules/yaml/'],
    load: async () => (await import('./targets/config.ts')).configTarget(),
    inTests: 60,
  },
  {
    name: 'ftp-session',
    covers: ['src/transfer/receiver/'],
    load: async () => (await import('./targets/ftp-session.ts')).ftpSessionTarget(),
    inTests: 40,
  },
  {
    name: 'snapshot-store',
    covers: ['src/recovery/'],
    load: async () => (await import('./targets/snapshot-store.ts')).snapshotStoreTarget(),
    inTests: 40,
  },
  {
    name: 'destination',
    covers: ['src/destage/', 'src/volume/', 'src/journal/'],
    load: async () => (await import('./targets/destination.ts')).destinationTarget(),
    inTests: 80,
  },
  {
    name: 'api',
    covers: ['src/api/'],
    load: async () => (await import('./targets/api.ts')).apiTarget(),
    inTests: 150,
  },
  {
    name: 'schedule',
    covers: ['src/transfer/schedule/'],
    load: async () => (await import('./targets/schedule.ts')).scheduleTarget(),
    inTests: 100,
  },
  {
    name: 'smb-connection',
    covers: ['src/smb/'],
    load: async () => (await import('./targets/smb-connection.ts')).smbConnectionTarget(),
    inTests: 60,
  },
];
