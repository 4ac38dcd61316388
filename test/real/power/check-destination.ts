/** Starts a destination's recovery on what a power failure left of its buffer and volumes, and says what is not as it must be. */
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { buildDestinationWorker } from '../../../src/daemon/build-threads.ts';
import type { DestinationBack } from '../../../src/destage/destination-back.ts';
import type { DestinationState } from '../../../src/destage/state-file.ts';
import { parseSealedName } from '../../../src/journal/names.ts';
import { nodeFiles } from '../../../src/platform/node/files.ts';
import { nodePlatform } from '../../../src/platform/node/platform.ts';
import { openSnapshotStore } from '../../../src/recovery/open-store.ts';
import { hashOf } from './archive.ts';
import { highest, type Note } from './device-log.ts';
import { KEY, VOLUMES, type RecordingRun } from './record.ts';

const nothing = (): void => undefined;
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/**
 * `buffer`: where the replayed file system is mounted. `notes`: what was known before the power failed. `onward`: the source
 * then sends all the rest, and the destination must get to the end with it.
 */
export async function checkDestination(
  buffer: string,
  run: RecordingRun,
  notes: readonly Note[],
  onward: boolean,
): Promise<string[]> {
  const destination = new RecoveredDestination(buffer);
  try {
    const told = highest(notes, 'told');
    const { received, state } = await destination.back.facts();
    if (received < told)
      return [`the source was told that records up to ${told} are here, and ${received} are (I5)`];
    const wrong = checkRuns(state, notes);
    await destination.takeInbox();
    wrong.push(...(await destination.check(run)));
    if (!onward || wrong.length > 0) return wrong;
    await destination.takeRest(run);
    return [...wrong, ...(await destination.check(run))];
  } finally {
    await destination.back.close();
  }
}

/** I9: what a marker's program saw is durable, and a run that repeats it is told so. */
function checkRuns({ applied, pending }: DestinationState, notes: readonly Note[]): string[] {
  return notes.flatMap((note) => {
    if (note.kind !== 'ran') return [];
    if (applied < note.lsn)
      return [`a program ran at record ${note.lsn}, and the volumes are as at ${applied} (I9)`];
    return pending?.id === note.id && pending.attempt < note.attempt
      ? [`attempt ${note.attempt} at record ${note.lsn} is not remembered (I9)`]
      : [];
  });
}

class RecoveredDestination {
  readonly back: DestinationBack;
  readonly #folder: string;
  readonly #paths: ReadonlyMap<string, string>;

  constructor(buffer: string) {
    this.#folder = join(buffer, 'g');
    this.#paths = new Map(Object.keys(VOLUMES).map((name) => [name, join(buffer, 'volumes', `${name}.raw`)]));
    const options = {
      groupName: 'g',
      folder: this.#folder,
      snapshotFolder: join(this.#folder, 'snapshots'),
      key: KEY,
      paths: this.#paths,
      retain: undefined,
      views: {
        address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
        connections: 1,
        scratch: { folder: join(this.#folder, 'scratch'), size: 2 ** 30 },
      },
    } as const;
    this.back = buildDestinationWorker(nodePlatform, silent, options, () => {
      throw new Error('nobody mounts anything here');
    });
  }

  /** What lies in the inbox was never synced: what is left of it is taken or refused, and applied as far as it goes. */
  async takeInbox(): Promise<void> {
    const names = readdirSync(join(this.#folder, 'inbox')).filter(
      (name) => parseSealedName(name) !== undefined,
    );
    for (const name of names.sort()) await this.#receive(name);
    await this.#applyAll();
  }

  async takeRest({ archive }: RecordingRun): Promise<void> {
    const inbox = join(this.#folder, 'inbox');
    for (const { name, path } of archive.segments) {
      copyFileSync(path, join(inbox, `${name}.part`));
      renameSync(join(inbox, `${name}.part`), join(inbox, name));
      await this.#receive(name);
    }
    await this.#applyAll();
    const { applied } = (await this.back.facts()).state;
    if (applied !== archive.last) throw new Error(`it got to record ${applied} of ${archive.last}`);
  }

  /** I3: all volumes as at one record; I7, I9: so are the snapshots, each there once, and as at its marker. */
  async check({ archive, markers }: RecordingRun): Promise<string[]> {
    const { state } = await this.back.facts();
    const wrong: string[] = [];
    if (state.applied > 0) {
      const volumes = [...this.#paths.values()].map((path) => readFileSync(path));
      if (hashOf(volumes) !== archive.hashAt(state.applied))
        wrong.push(`the volumes are not as at record ${state.applied} (I3)`);
    }
    const snapshots = existsSync(join(this.#folder, 'snapshots')) ? await this.back.snapshots() : [];
    for (const { id, lsn } of markers) {
      const count = snapshots.filter((snapshot) => snapshot.id === id).length;
      if (count !== (lsn <= state.applied ? 1 : 0))
        wrong.push(`the marker at ${lsn} has ${count} snapshots at record ${state.applied} (I9)`);
      else if (count === 1 && this.#snapshotHash(id) !== archive.hashAt(lsn))
        wrong.push(`the snapshot of the marker at ${lsn} is not the volumes as at that record (I7)`);
    }
    return wrong;
  }

  async #receive(name: string): Promise<void> {
    const { received } = await this.back.facts();
    const range = parseSealedName(name);
    if (range === undefined) return;
    if (range.last <= received) await this.back.discard(name);
    else if (range.first === received + 1) await this.back.receive([name]);
  }

  async #applyAll(): Promise<void> {
    for (let facts = await this.back.facts(); facts.journalSegments > 0;) {
      const { pending } = facts.state;
      facts = await (pending === undefined ? this.back.applySome() : this.back.finishMarker(pending.id));
    }
  }

  #snapshotHash(id: string): string {
    const volumes = Object.entries(VOLUMES).map(([name, size]) => {
      return { name, size, path: this.#paths.get(name) ?? '' };
    });
    const store = openSnapshotStore(nodeFiles, silent, { folder: join(this.#folder, 'snapshots'), volumes });
    try {
      return hashOf(
        volumes.map(({ name, size }) => {
          const reader = store.open(id, name);
          const content = Buffer.alloc(size);
          reader.read(0, content);
          reader.close();
          return content;
        }),
      );
    } finally {
      store.close();
    }
  }
}
