import assert from 'node:assert/strict';
import { compareLedger, readLog } from './ledger.ts';

describe('what a database must hold after its volumes were taken over', () => {
  const ledger = readLog('0 0 812 0 1000 100000\n1 0 90 0 1000 150000\n0 1 7 0 1000 900000\n0 2 7 0 10', 2);
  const held = (...counts: readonly number[]): Map<number, { count: number; highest: number }> =>
    new Map(counts.map((count, client) => [client, { count, highest: count }]));

  it('is each transaction that was confirmed before that time, of each client the first ones', () => {
    assert.deepEqual(ledger, [[1_000_100, 1_000_900], [1_000_150]]);
    assert.deepEqual(compareLedger(ledger, held(1, 1), 1_000_500), {
      confirmed: 3,
      due: 2,
      lost: 1,
      wrong: [],
    });
    assert.deepEqual(compareLedger(ledger, held(3, 2), Infinity).wrong, [], 'one more was under way');
  });

  it('is not less, not more than was begun, and has no gaps', () => {
    assert.match(compareLedger(ledger, held(1, 0), 1_000_500).wrong.join(), /client 1: .*: 1 lost$/);
    assert.match(compareLedger(ledger, held(2), Infinity).wrong.join(), /client 1: .*: 1 lost$/);
    assert.match(compareLedger(ledger, held(4, 1), Infinity).wrong.join(), /client 0: .* ever began$/);
    const gap = new Map([[0, { count: 2, highest: 3 }]]);
    assert.match(compareLedger(ledger, gap, 0).wrong.join(), /^client 0: .* there are gaps$/);
  });

  it('cannot be told where a transaction failed', () => {
    assert.throws(() => readLog('0 0 failed 0 1000 100000\n', 1), /a transaction failed/);
  });
});
