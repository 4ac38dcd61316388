/** Every sample, and how the tests know that it is right. */
export const MANIFEST: Readonly<Record<string, 'loaded' | 'run' | 'verified' | 'not run'>> = {
  'alarms/alarm.sh': 'run',
  'config/destination.yaml': 'loaded',
  'config/mounted-share.yaml': 'loaded',
  'config/receiver-destination.yaml': 'loaded',
  'config/receiver-source.yaml': 'loaded',
  'config/scheduled-links.yaml': 'loaded',
  'config/source.yaml': 'loaded',
  'config/windows.yaml': 'loaded',
  'hosts/flush-then-snapshot.ps1': 'not run',
  'hosts/flush-then-snapshot.sh': 'run',
  'markers/nightly-backup.ps1': 'not run',
  'markers/nightly-backup.sh': 'run',
  'markers/weekly-report.ps1': 'not run',
  'markers/weekly-report.sh': 'run',
  'rehearsals/ext4.sh': 'run',
  'rehearsals/postgresql.sh': 'run',
  'rehearsals/sqlite.sh': 'run',
  'rehearsals/volumes.sh': 'run',
  'rehearsals/xfs.sh': 'run',
  'service/blockferry.service': 'verified',
};

/** Under samples/, and another area's: its own tests use what is in it. */
export const NOT_OURS = /^demo\//;
