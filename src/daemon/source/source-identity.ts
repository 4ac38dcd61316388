/** What a source group is, as its own file has it: its id and epoch, its volumes, and how large they are. */
import type { SourceGroupConfig } from '../../config/config.ts';
import { epoch, type EpochIdentity, type VolumeIndex } from '../../journal/ids.ts';
import { readGroupFile, writeGroupFile, type GroupFile } from '../../journal/source-files.ts';
import type { Platform } from '../../platform/platform.ts';
import { placeVolumes, type PlacedVolume } from './source-volumes.ts';
import { refuseEmptied, volumeFilesOf } from './volume-files.ts';

export class SourceIdentity {
  readonly #files: Platform['files'];
  readonly #folder: string;
  #file: GroupFile;
  #volumes: readonly PlacedVolume[];

  /** Of a group that is new it is made up. @throws OperatorError as `placeVolumes` and `refuseEmptied`, `STATE_DAMAGED` */
  constructor({ files, random }: Pick<Platform, 'files' | 'random'>, config: SourceGroupConfig) {
    this.#files = files;
    this.#folder = config.folder;
    this.#file = readGroupFile(files, config.folder) ?? newIdentity(random);
    this.#volumes = placeVolumes(files, config.volumes, this.#file);
    const { volumes: attached, files: noted = [] } = this.#file;
    const isAttached = ({ name }: { readonly name: string }): boolean =>
      attached.some((volume) => volume.name === name);
    refuseEmptied(files, this.#volumes, noted.filter(isAttached));
  }

  get id(): string {
    return this.#file.id;
  }

  get epoch(): EpochIdentity {
    return this.#file.epoch;
  }

  /** The newest resync whose regions are marked. */
  get resync(): string | undefined {
    return this.#file.resync;
  }

  /** Its regions are marked, durably. Durable on return. */
  noteResync(id: string): void {
    this.#note({ resync: id });
  }

  /** Whether hosts were ever let in, maybe. */
  get hasServed(): boolean {
    return this.#file.served === true;
  }

  /** Hosts are about to be let in. Durable on return. */
  noteServed(): void {
    if (!this.hasServed) this.#note({ served: true });
  }

  get volumes(): readonly PlacedVolume[] {
    return this.#volumes;
  }

  /** Of all volumes. */
  get bytes(): number {
    return this.#volumes.reduce((sum, { size }) => sum + size, 0);
  }

  /** The file is there, durably; a resize whose volume did not get its size is forgotten. */
  begin(): void {
    const isGrowing = this.#volumes.some(({ grewFrom }) => grewFrom !== undefined);
    const files = volumeFilesOf(this.#files, this.#volumes);
    this.#note(isGrowing ? { files } : { files, growing: undefined });
  }

  /** Whether the journal does not have the volumes as they are. */
  get mustAttach(): boolean {
    return JSON.stringify(this.#file.volumes) !== JSON.stringify(this.#attached());
  }

  /** The journal has the volumes as they are, durably; until this is noted it is done again. */
  attached(): void {
    this.#note({ volumes: this.#attached(), growing: undefined });
  }

  /** A resize is under way, or none. Durable on return. */
  noteGrowing(growing: GroupFile['growing']): void {
    this.#note({ growing });
  }

  /** The journal has so many bytes for the volume, and no resize is under way. Durable on return. */
  noteSize(index: VolumeIndex, size: number): void {
    const resized = <V extends { readonly index: VolumeIndex }>(volume: V): V =>
      volume.index === index ? { ...volume, size } : volume;
    this.#note({ volumes: this.#file.volumes.map(resized), growing: undefined });
    this.#volumes = this.#volumes.map(resized);
  }

  #attached(): GroupFile['volumes'] {
    return this.#volumes.map(({ index, name, size }) => ({ index, name, size }));
  }

  #note(change: Partial<GroupFile>): void {
    const file = { ...this.#file, ...change };
    writeGroupFile(this.#files, this.#folder, file);
    this.#file = file;
  }
}

/** Of a group that begins. */
function newIdentity(random: Platform['random']): GroupFile {
  const id = (): string => random.bytes(16).toString('hex');
  return { id: id(), epoch: { number: epoch(1), id: id() }, volumes: [] };
}
