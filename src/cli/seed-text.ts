/** How far a seed is, in a line. Pure. */
import type { SeedExportStatus, SeedImportStatus } from '../api/contract/seed.ts';
import { bytesText, countText, durationText, printable } from './text.ts';

export function seedText(seed: SeedExportStatus | SeedImportStatus): string {
  return 'bytes' in seed ? exportText(seed) : importText(seed);
}

function exportText({
  state,
  folder,
  files,
  bytes,
  doneBytes,
  totalBytes,
  timeLeftSeconds,
  problem,
}: SeedExportStatus): string {
  const written = `${countText(files, 'file')} (${bytesText(bytes)}) on drives`;
  if (state === 'complete') return `complete, ${written}`;
  const done = `${Math.floor((doneBytes / Math.max(1, totalBytes)) * 100)} % of ${bytesText(totalBytes)}, ${written}`;
  if (state === 'stopped') return `${done}; ${printable(problem?.message ?? 'it stands still')}`;
  const left = timeLeftSeconds === undefined ? '' : `, ${durationText(timeLeftSeconds)} left`;
  return `${done}, to ${printable(folder ?? '')}${left}`;
}

function importText({ state, files, total, order }: SeedImportStatus): string {
  const words = {
    none: 'the source has not named one yet',
    awaited: `${files}${total === undefined ? '' : ` of ${total}`} files imported; what the source sends waits for the rest`,
    imported: `all ${countText(files, 'file')} imported`,
    'given-up': 'given up: another full copy is needed',
  };
  if (order?.state === 'failed') return `${words[state]}; ${printable(order.problem?.message ?? '')}`;
  if (order?.state !== 'reading') return words[state];
  const done = Math.floor((order.done / Math.max(1, order.bytes)) * 100);
  return `${words[state]}; ${done} % of ${printable(order.folder)}`;
}
