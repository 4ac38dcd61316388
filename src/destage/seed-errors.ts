/** Why something asked of a seed at a destination is declined. */
import { OperatorError } from '../platform/errors.ts';

export function seedGivenUp(): OperatorError {
  const message = 'the seed was given up: what follows it has been applied without it';
  return new OperatorError('SEED_GIVEN_UP', message, {
    remedy: 'say `blockferry initialize` or `blockferry seed export` at the source',
  });
}

export function seedNotAwaited(): OperatorError {
  return new OperatorError('SEED_NOT_AWAITED', 'no seed is waited for', {
    remedy: 'there is nothing to cancel',
  });
}
