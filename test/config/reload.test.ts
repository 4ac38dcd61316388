import assert from 'node:assert/strict';
import { loadConfig } from '../../src/config/load.ts';
import { ReloadableConfig } from '../../src/config/reload.ts';
import { OperatorError } from '../../src/platform/errors.ts';
import { GOOD_SOURCE, makeFixture, withGroup, type Fixture } from './fixture.ts';

describe('A configuration that is read again', () => {
  let fixture: Fixture;
  let reloadable: ReloadableConfig;

  const LINKS = `transfers: 8
links:
  wan:
    schedule: { time-zone: UTC, outside: 2 Mbit/s, windows: [] }
`;
  const GROUP = GOOD_SOURCE.replace('{ folder: share }', '{ folder: share, link: wan, weight: 3 }');
  const write = (text: string): string => fixture.write('blockferry.yaml', text);

  beforeEach(() => {
    fixture = makeFixture();
    const file = write(withGroup(`${GROUP}key-file: good.key\n`, LINKS));
    const loaded = loadConfig(file);
    assert.ok('config' in loaded);
    reloadable = new ReloadableConfig(loaded, () => loadConfig(file));
  });
  afterEach(() => {
    fixture.remove();
  });

  const group = `${GROUP}key-file: good.key\n`;
  const refused = (): OperatorError => {
    try {
      reloadable.reload(() => undefined);
    } catch (error) {
      assert.ok(error instanceof OperatorError);
      assert.notEqual(error.remedy, '');
      return error;
    }
    assert.fail('it was taken');
  };

  it('changes schedules, rates, shares, weights, quotas, objectives and the times of markers, and names them', () => {
    assert.deepEqual(reloadable.reload(() => undefined).changed, []);
    const links = LINKS.replace('transfers: 8', 'transfers: 9')
      .replace('2 Mbit/s, windows: []', 'closed, windows: [{ limit: unlimited }]')
      .replace('  wan:\n', '  wan:\n    copies: 10 %\n    files: 7\n');
    const timed = 'timed-markers: { snapshots: 0 * * * * }\n';
    const more = group.replace('weight: 3', 'weight: 5').replace('1 GiB', '2 GiB');
    write(withGroup(`${more}objective: 5 min\n${timed}`, links));
    const { changed, config } = reloadable.reload(() => undefined);
    assert.deepEqual(changed, [
      'transfers',
      'links.wan.files',
      'links.wan.copies',
      'links.wan.schedule.outside.kind',
      'links.wan.schedule.outside.bytesPerSecond',
      'links.wan.schedule.windows',
      'groups.oracle.quota',
      'groups.oracle.destinations.bern.weight',
      'groups.oracle.objective',
      'groups.oracle.timed-markers',
    ]);
    assert.deepEqual([config.transfers, config.links[0]?.files], [9, 7]);
    assert.deepEqual(reloadable.reload(() => undefined).changed, [], 'it is what runs now');
  });

  it('is no change where a default is written out, or a comment', () => {
    write(withGroup(`${group}# nothing\nsegment: { size: 8 MiB }\n`, LINKS));
    assert.deepEqual(reloadable.reload(() => undefined).changed, []);
  });

  it('may have other links that no stream uses, and lose them again', () => {
    write(withGroup(group, `${LINKS}  lan: {}\n`));
    assert.deepEqual(reloadable.reload(() => undefined).changed, ['links.lan']);
    write(withGroup(group, LINKS));
    assert.deepEqual(reloadable.reload(() => undefined).changed, ['links.lan']);
  });

  it('may name another buffer for a source, unless whoever runs it refuses that', () => {
    write(withGroup(group.replace(/buffer: .*/, 'buffer: elsewhere'), LINKS));
    const refuse = (): never => {
      throw new OperatorError('BUFFER_TAKEN', 'there is something in it already');
    };
    assert.throws(() => reloadable.reload(refuse), { code: 'BUFFER_TAKEN' });
    assert.deepEqual(reloadable.reload(() => undefined).changed, ['groups.oracle.buffer']);
  });

  it('is refused as a whole, with every setting that needs a restart, and what runs stays', () => {
    const other = group
      .replace('1 GiB', '2 GiB')
      .replace('images/new.raw', 'images/other.raw')
      .replace('weight: 3', 'weight: 4, parallel: 3');
    write(withGroup(other, LINKS));
    const { code, message } = refused();
    assert.equal(code, 'RESTART_NEEDED');
    assert.equal(
      message,
      'changed, and not without a restart: groups.oracle.volumes.data.path, groups.oracle.destinations.bern.parallel',
    );
    write(withGroup(group.replace('weight: 3', 'weight: 4'), LINKS));
    assert.deepEqual(reloadable.reload(() => undefined).changed, ['groups.oracle.destinations.bern.weight']);
  });

  it('changes the interval of a source that has one; to have one, or none any more, needs a restart', () => {
    const file = write(withGroup(`${group}replication: { every: 1 h }\n`, LINKS));
    assert.match(refused().message, /groups\.oracle\.replication/);
    const loaded = loadConfig(file);
    assert.ok('config' in loaded);
    reloadable = new ReloadableConfig(loaded, () => loadConfig(file));
    write(withGroup(`${group}replication: { every: 10 min }\n`, LINKS));
    assert.deepEqual(reloadable.reload(() => undefined).changed, ['groups.oracle.replication.every']);
    write(withGroup(group, LINKS));
    assert.match(refused().message, /groups\.oracle\.replication/);
  });

  it('refuses a quota that is too small for the segments', () => {
    write(withGroup(group.replace('1 GiB', '16 MiB'), LINKS));
    const { code, message } = refused();
    assert.equal(code, 'CONFIG_INVALID');
    assert.match(message, /groups\.oracle\.quota: /);
  });

  it('needs a restart for a destination more, and for another link', () => {
    write(
      withGroup(`${group}  erp: { role: destination, buffer: b, quota: 1 GiB, volumes: { d: x } }\n`, LINKS),
    );
    for (const [change, setting] of [
      [group.replace('{ bern: {', '{ rome: { folder: rome }, bern: {'), 'groups.oracle.destinations.rome'],
      [group.replace('link: wan, weight: 3', 'parallel: 2'), 'groups.oracle.destinations.bern.link'],
    ] as const) {
      write(withGroup(change, LINKS));
      assert.ok(refused().message.includes(setting), refused().message);
    }
  });

  it('sees that a key file holds another key, and tells neither', () => {
    fixture.write('good.key', 'ab'.repeat(32));
    const { code, message } = refused();
    assert.equal(code, 'RESTART_NEEDED');
    assert.equal(message, 'changed, and not without a restart: groups.oracle.key-file');
  });

  it('is refused when there is a mistake in it, with its place', () => {
    write(withGroup(group.replace('1 GiB', 'much').replace('weight: 3', 'weight: heavy'), LINKS));
    const { code, message } = refused();
    assert.equal(code, 'CONFIG_INVALID');
    assert.match(message, /mistake \(and 1 more\): \S+blockferry\.yaml:\d+:\d+: groups\.oracle\.quota: /);
  });
});
