import { placedMarkerSchema, type MarkerRequest } from '../api/contract/markers.ts';
import { ask } from './client.ts';
import { ExitCode } from './exit-codes.ts';
import { print } from './output.ts';
import { timeText } from './text.ts';

export interface MarkerOptions {
  readonly state: string;
  readonly group: string;
  readonly marker: MarkerRequest;
}

export async function placeMarker({ state, group, marker }: MarkerOptions): Promise<ExitCode> {
  const placed = await ask(state, {
    method: 'POST',
    path: `/groups/${encodeURIComponent(group)}/markers`,
    body: marker,
    answer: placedMarkerSchema,
  });
  const kind = marker.kind === 'snapshot' ? 'Snapshot marker' : 'Custom marker';
  print([
    `${kind} ${placed.name} is placed in group ${group} at LSN ${placed.lsn}, ${timeText(placed.time)}, id ${placed.id}.`,
    marker.kind === 'snapshot'
      ? 'Every destination makes a recovery point of all its volumes there as soon as it has applied what is before it.'
      : 'Every destination runs its program of that name as soon as it has applied what is before it.',
  ]);
  return ExitCode.ok;
}
