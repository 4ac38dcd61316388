import type { RehearsalProgress, RehearsalRequest } from '../../src/api/contract/rehearsals.ts';
import { OperatorError } from '../../src/platform/errors.ts';
import { PretendedVolumes } from './pretended-volumes.ts';
import { FAILED, PROVEN } from './told-rehearsals.ts';

/** Rehearsals that have ended as soon as they are begun; those of a snapshot fail. */
export class PretendedRehearsals extends PretendedVolumes {
  readonly rehearsed: RehearsalRequest[] = [];

  rehearse(group: string, request: RehearsalRequest): Promise<number> {
    if (group !== 'mail') return Promise.reject(new OperatorError('NO_REHEARSAL', `${group} has no check`));
    this.rehearsed.push(request);
    return Promise.resolve(request.point?.kind === 'snapshot' ? FAILED.number : PROVEN.number);
  }

  rehearsal(_group: string, number: number): RehearsalProgress {
    const rehearsal = [PROVEN, FAILED].find((ended) => ended.number === number);
    if (rehearsal !== undefined) return { state: 'ended', rehearsal };
    throw new OperatorError('REHEARSAL_GONE', `nothing is known of rehearsal ${number}`);
  }
}
