import { openSnapshotStore } from '../../../src/recovery/open-store.ts';
import type { SnapshotStore, SnapshotVolume } from '../../../src/recovery/snapshot-store.ts';
import { silentLog } from '../../support/silent-log.ts';
import type { Dice } from '../platform/dice.ts';
import type { Machine } from '../platform/machine.ts';
import { readerOn } from '../platform/program.ts';
import type { Settings } from '../scenario.ts';
import { placedVolumes, SNAPSHOTS } from './configs.ts';

/** What a site's snapshots are in the end; nobody watches it any more. */
export function lookAtStore(
  machine: Machine,
  dice: Dice,
  { settings, folder = SNAPSHOTS }: { readonly settings: Settings; readonly folder?: string },
  check: (store: SnapshotStore, volumes: readonly SnapshotVolume[]) => void,
): void {
  machine.watcher = {};
  const volumes = placedVolumes(settings);
  const { files } = readerOn(machine, dice.fork('reader')).platform;
  const store = openSnapshotStore(files, silentLog, { folder, volumes });
  check(store, volumes);
  store.close();
}
