import assert from 'node:assert/strict';
import { temporaryFolder } from '../../support/folder.ts';
import { RoundTrips } from './round-trips.ts';

/** Short; `npm run recovery -- --failovers 30 --switchovers 10` is the long one. */
describe('a database on two volumes of a group whose source dies under load', function () {
  this.timeout(600_000);
  const trips = new RoundTrips({ folder: temporaryFolder(), seed: 'round trip', scale: 1, loadMax: 500 });
  after(() => trips.end());

  it('recovers at the other side with each transaction that was confirmed before the time that the failover names (I3)', async () => {
    await trips.start();
    const { confirmed, due } = await trips.failover('killed');
    assert.ok(due > 0 && confirmed >= due);
  });
});
