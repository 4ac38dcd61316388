import type { ResizeAnswer, ResizeRequest } from '../../src/api/contract/volumes.ts';
import { OperatorError } from '../../src/platform/errors.ts';
import { REPORTS } from './reports.ts';

/** Volumes that grow in words alone. */
export class PretendedVolumes {
  readonly resized: { readonly group: string; readonly volume: string; readonly size: number | undefined }[] =
    [];

  resize(name: string, volume: string, { size, dryRun }: ResizeRequest): Promise<ResizeAnswer> {
    const group = REPORTS.healthy.groups.find((candidate) => candidate.name === name);
    const from = group?.volumes.find((candidate) => candidate.name === volume)?.size;
    if (group === undefined) return Promise.reject(new OperatorError('GROUP_UNKNOWN', `no ${name}`));
    if (from === undefined) return Promise.reject(new OperatorError('VOLUME_NOT_FOUND', `no ${volume}`));
    if (!dryRun) this.resized.push({ group: name, volume, size });
    const device = { path: '/dev/vg/data', kind: 'block device' } as const;
    return Promise.resolve({ ...device, volume, from, size: size ?? 2 * from });
  }
}
