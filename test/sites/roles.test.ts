import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { MountEntry } from '../../src/api/contract/mounts.ts';
import type { FailoverAnswer, RejoinAnswer } from '../../src/api/contract/roles.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { describeError } from '../../src/platform/errors.ts';
import { contentOf, MIB, RolePair } from '../support/role-pair.ts';
import { StampedHost } from '../support/stamped-load.ts';

describe('two sites that change their parts', () => {
  let pair: RolePair;
  beforeEach(async () => {
    pair = new RolePair();
    await pair.sites.start('destination');
    await pair.sites.start('source');
    await pair.sites.inStep();
  });
  afterEach(() => pair.sites.stopAll());

  it('switch over and back with nothing lost, and follow each other by the one server that there is (I11)', async () => {
    await pair.write('source');
    await pair.ask('source', 'switchover');
    await pair.isServed('destination');
    await assert.rejects(
      NbdClient.open({ path: pair.socket('source') }, 'a'),
      'the side that handed over serves nobody',
    );
    pair.check('destination');
    await pair.write('destination');
    await pair.identical('destination');
    await pair.ask('destination', 'switchover');
    await pair.isServed('source');
    pair.check('source');
    await pair.write('source');
    await pair.identical('source');
    pair.check('destination');
  });

  it('fail over while the line is down; what only the old source has is kept when it rejoins (I10, I11)', async () => {
    await pair.write('source');
    await pair.sites.inStep();
    pair.cut();
    assert.equal((await pair.sites.source()).serves, true);
    const before = pair.hosts.map(({ volume }) => readFileSync(pair.sites.volume('source', volume)));
    const lost = new StampedHost(9, { start: 4 * MIB, length: 4 * MIB }, 16 * 1024);
    assert.ok(await lost.run({ path: pair.socket('source') }, 'a', 60));
    const trial = await pair.ask<FailoverAnswer>('destination', 'failover', { dryRun: true });
    assert.equal((await pair.sites.destination()).role, 'destination', 'a trial changes nothing');
    const answer = await pair.ask<FailoverAnswer>('destination', 'failover');
    assert.equal(answer.lsn, trial.lsn);
    await pair.isServed('destination');
    for (const [i, { volume }] of pair.hosts.entries())
      assert.ok(readFileSync(pair.sites.volume('destination', volume)).equals(before[i] ?? Buffer.alloc(0)));
    await pair.write('destination', 80);
    pair.join();
    await pair.waits('source', 'deposed');
    assert.equal((await pair.sites.source()).serves, false);
    await assert.rejects(NbdClient.open({ path: pair.socket('source') }, 'a'));
    const told = await pair.ask<RejoinAnswer>('source', 'rejoin', { dryRun: true });
    assert.ok(told.writes >= 60 && told.keptAs !== undefined);
    await pair.ask('source', 'rejoin');
    await pair.identical('destination');
    pair.check('source');
    const mounted = await pair.ask<MountEntry>('source', 'mounts', {
      point: { kind: 'snapshot', called: told.keptAs },
      writable: false,
    });
    assert.deepEqual(lost.check(await contentOf(mounted, 'a')).slice(0, 3), [], 'all that was lost is kept');
    await pair.ask('destination', 'switchover');
    await pair.isServed('source');
    await pair.write('source', 40);
    await pair.identical('source');
  });

  it('go on with what the old source has when that is chosen; what the other wrote is kept when it rejoins (I10, I11)', async () => {
    await pair.write('source');
    await pair.sites.inStep();
    pair.cut();
    await pair.write('source', 60);
    await pair.ask('destination', 'failover');
    await pair.isServed('destination');
    const lost = new StampedHost(9, { start: 4 * MIB, length: 4 * MIB }, 16 * 1024);
    assert.ok(await lost.run({ path: pair.socket('destination') }, 'b', 60));
    pair.join();
    await pair.waits('source', 'deposed');
    await pair.sites.stop('source', 'SIGKILL');
    const started = pair.sites.start('source').catch(() => undefined);
    await pair.waits('source', 'deposed');
    const chosen = pair.hosts.map(({ volume }) => readFileSync(pair.sites.volume('source', volume)));
    const answer = await pair.ask<FailoverAnswer>('source', 'failover');
    assert.deepEqual([answer.insteadOf?.epoch, answer.epoch], [2, 3]);
    await pair.isServed('source');
    await started;
    await pair.waits('destination', 'deposed');
    const told = await pair.ask<RejoinAnswer>('destination', 'rejoin');
    assert.deepEqual([told.writes >= 60, told.volumes.map(({ name }) => name)], [true, ['b']]);
    await pair.identical('source');
    for (const [i, { volume }] of pair.hosts.entries())
      assert.ok(readFileSync(pair.sites.volume('source', volume)).equals(chosen[i] ?? Buffer.alloc(0)));
    const point = { kind: 'snapshot', called: told.keptAs };
    const mounted = await pair.ask<MountEntry>('destination', 'mounts', { point, writable: false });
    assert.deepEqual(lost.check(await contentOf(mounted, 'b')).slice(0, 3), [], 'all that was lost is kept');
    await pair.write('source', 40);
    await pair.ask('source', 'switchover');
    await pair.isServed('destination');
    await pair.identical('destination');
  });

  it('give way only with all that hosts wrote in the volumes; one that is away is told of, not waited for (I10)', async () => {
    await pair.write('source');
    await pair.sites.inStep();
    pair.cut();
    const [place, away] = [pair.sites.volume('source', 'a'), pair.sites.path('source', 'away')];
    renameSync(place, away);
    await pair.write('source', 60);
    await pair.ask('destination', 'failover');
    await pair.isServed('destination');
    pair.join();
    for (const verb of ['rejoin', 'failover'])
      await pair.sites.until(`${verb} being refused`, () =>
        pair.ask('source', verb, { dryRun: true }).then(
          () => false,
          (error: unknown) => /GROUP_NOT_SETTLED/.test(describeError(error)),
        ),
      );
    renameSync(away, place);
    await pair.waits('source', 'deposed');
    const { keptAs } = await pair.ask<RejoinAnswer>('source', 'rejoin');
    assert.notEqual(keptAs, undefined);
    await pair.identical('destination');
  });

  it('call off a switchover whose other side has gone, and go on when it is back', async () => {
    await pair.write('source');
    await pair.sites.inStep();
    await pair.sites.stop('destination', 'SIGKILL');
    await pair.ask('source', 'switchover');
    await pair.waits('source', 'handing-over');
    const answer = await pair.ask<FailoverAnswer>('source', 'failover');
    assert.deepEqual([answer.calledOff, answer.epoch], [2, 1]);
    await pair.isServed('source');
    await pair.write('source', 40);
    await pair.sites.start('destination');
    await pair.identical('source');
    await pair.ask('source', 'switchover');
    await pair.isServed('destination');
    pair.check('destination');
  });

  it('hand over every write, though an interval is configured meanwhile', async () => {
    await pair.write('source');
    await pair.sites.inStep();
    pair.cut();
    await pair.write('source', 40);
    await pair.ask('source', 'switchover');
    await pair.sites.stop('source', 'SIGKILL');
    const config = pair.sites.path('source', 'config.yaml');
    const before = readFileSync(config, 'utf8');
    writeFileSync(config, before.replace('    nbd:', '    replication: { every: 1 h }\n    nbd:'));
    pair.join();
    await pair.sites.start('source', false);
    await pair.isServed('destination');
    pair.check('destination');
  });

  it('a source that is killed and comes back hears of the takeover before it serves anybody (I11)', async () => {
    await pair.write('source');
    await pair.sites.inStep();
    await pair.sites.stop('source', 'SIGKILL');
    await pair.ask('destination', 'failover');
    await pair.isServed('destination');
    await pair.write('destination', 40);
    const started = pair.sites.start('source').catch(() => undefined);
    const probe = { isOver: false, served: 0 };
    const probing = (async () => {
      while (!probe.isOver) probe.served += await isListening(pair.socket('source'));
    })();
    await pair.identical('destination');
    probe.isOver = true;
    await probing;
    assert.equal(probe.served, 0, 'it never served');
    await pair.sites.stop('source', 'SIGKILL');
    await started;
  });
});

describe('a source that no destination follows yet', () => {
  it('keeps its hosts: it does not switch over to nobody', async () => {
    const pair = new RolePair();
    try {
      await pair.sites.start('source');
      await pair.sites.until(
        'the copy being sent',
        async () => (await pair.sites.source()).mode === 'journal',
      );
      await assert.rejects(pair.ask('source', 'switchover'), (error: unknown) =>
        /GROUP_NOT_CONSISTENT.*not followed yet/.test(describeError(error)),
      );
      assert.equal((await pair.sites.source()).serves, true);
    } finally {
      await pair.sites.stopAll();
    }
  });
});

function isListening(path: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const found = (count: number): void => {
      socket.destroy();
      setImmediate(resolve, count);
    };
    socket.once('connect', () => found(1)).once('error', () => found(0));
  });
}
