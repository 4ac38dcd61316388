import assert from 'node:assert/strict';
import { RAWS_SURE } from '../../../src/capture/raw-pool.ts';
import { lsn } from '../../../src/journal/ids.ts';
import { isSettled } from '../../capture/journal.ts';
import { systemError } from '../../support/tampered-files.ts';
import { errorCode } from '../../../src/platform/errors.ts';
import { bytesText } from '../../../src/platform/words.ts';
import { VOLUME_SIZE } from '../../capture/engine.ts';
import { SEGMENT_BYTES_MAX, SourceSite } from './source-site.ts';

describe('a source group', () => {
  it('seals and destages what hosts write, and frees it when every destination has it (I5)', async () => {
    const site = await SourceSite.start();
    assert.equal(await site.fill(6), 'taken');
    assert.ok(site.segments().length >= 6);
    for (const name of ['a', 'b']) assert.ok(site.content(name).equals(site.seen(name)), name);
    const first = site.group.sealed[0]!;
    site.received = lsn(first.range.last - 1);
    await site.clock.pass(1000);
    assert.ok(site.segments().includes(first.name), 'not before it is received whole');
    site.confirm();
    await site.clock.pass(0);
    assert.deepEqual([site.segments(), site.group.sealed, site.group.bufferUsed], [[], [], 0]);
    await site.group.stop();
  });

  it('goes on sealing and shipping while a volume is offline, frees nothing that is not destaged, and says why', async () => {
    const site = await SourceSite.start();
    assert.equal(await site.fill(1), 'taken');
    const { applied } = site.group.checkpoint;
    site.disk.rename('/volumes/b', '/volumes/away');
    await site.fill(1);
    assert.match(
      site.group.waits.list()[0]?.message ?? '',
      /hosts can write on, .* for \d more journal segments.*; after that their writes wait$/,
    );
    assert.equal(await site.fill(20), 'no room', 'until no open segment is left');
    assert.ok(site.group.sealed.length >= RAWS_SURE - 1, `${site.group.sealed.length} segments to ship`);
    assert.deepEqual(site.waiting(), ['volume-offline']);
    const [wait] = site.group.waits.list();
    assert.match(
      wait?.message ?? '',
      /; all 8 journal segments are in use: what hosts write waits as soon as/,
    );
    const kept = site.group.sealed.filter(({ range }) => range.last > applied).length;
    site.confirm();
    await site.clock.pass(1000);
    assert.equal(site.segments().length, kept);
    site.disk.rename('/volumes/away', '/volumes/b');
    await site.clock.pass(2500);
    site.confirm();
    await site.clock.pass(0);
    assert.deepEqual([site.waiting(), site.segments()], [[], []]);
    assert.equal(await site.fill(4), 'taken');
    for (const name of ['a', 'b']) assert.ok(site.content(name).equals(site.seen(name)), name);
    await site.group.stop();
  });

  it('says of itself what nothing else tells: that writes wait for room, and that nobody answers', async () => {
    const site = await SourceSite.start();
    site.group.lookAround({ isStalled: true, isWaitedFor: true });
    assert.deepEqual(site.waiting(), ['hosts-waiting', 'source-stalled']);
    site.group.lookAround({ isStalled: false, isWaitedFor: false });
    assert.deepEqual(site.waiting(), []);
    site.disk.rename('/volumes/b', '/volumes/away');
    assert.equal((await site.host.status()).isWaitedFor, false);
    await site.fill(20);
    assert.equal((await site.host.status()).isWaitedFor, true);
    await site.group.stop();
  });

  it('refuses writes at its quota, says so, and takes them again when the destinations have caught up', async () => {
    const site = await SourceSite.start({ quota: () => 4 * SEGMENT_BYTES_MAX });
    assert.equal(await site.fill(200), 'refused');
    assert.ok(site.group.bufferUsed <= 4 * SEGMENT_BYTES_MAX, 'the quota holds');
    assert.deepEqual([site.waiting(), site.group.mode], [['buffer-full'], 'journal']);
    site.confirm();
    await site.clock.pass(1000);
    assert.deepEqual(site.waiting(), []);
    assert.equal(await site.fill(2), 'taken');
    await site.group.stop();
  });

  it('takes another quota as it runs: a smaller one refuses at once, a larger one takes writes again', async () => {
    let quota = 64 * SEGMENT_BYTES_MAX;
    const site = await SourceSite.start({ quota: () => quota });
    assert.equal(await site.fill(200), 'taken');
    quota = 3 * SEGMENT_BYTES_MAX;
    await site.clock.pass(1000);
    assert.equal(await site.fill(1), 'refused');
    const told = (): string => site.group.waits.list()[0]?.message ?? '';
    assert.match(told(), new RegExp(`of ${bytesText(quota)}: writes are refused`));
    quota = 4 * SEGMENT_BYTES_MAX;
    await site.clock.pass(1000);
    assert.match(told(), new RegExp(`of ${bytesText(quota)}: writes are refused`));
    quota = 64 * SEGMENT_BYTES_MAX;
    await site.clock.pass(1000);
    assert.deepEqual([site.waiting(), await site.fill(1)], [[], 'taken']);
    await site.group.stop();
  });

  it('answers a host that waits for room when the disk is full and writes begin to be refused (I8)', async () => {
    const site = await SourceSite.start();
    site.files.fault = ({ kind, path }) =>
      (kind === 'write' && path.endsWith('.part')) || kind === 'allocate'
        ? { when: 'before', error: systemError('ENOSPC') }
        : undefined;
    for (let i = 0; site.volume('a').room() === undefined && i < 100; i += 1) site.write('a');
    const waiting = site.volume('a').room();
    assert.ok(waiting !== undefined, 'a host waits');
    await site.clock.pass(100);
    assert.ok(await isSettled(waiting), 'it is woken');
    assert.equal(site.volume('a').room(), undefined);
    assert.throws(() => site.write('a'), { code: 'ENOSPC' });
    assert.deepEqual(site.waiting(), ['buffer-disk-full']);
    site.files.fault = () => undefined;
    await site.clock.pass(5000);
    assert.deepEqual(site.waiting(), []);
    assert.equal(await site.fill(4), 'taken');
    await site.group.stop();
  });

  describe('that marks what hosts change when it is full', () => {
    const options = { whenFull: 'change-map', quota: () => 4 * SEGMENT_BYTES_MAX } as const;

    const untilJournal = async (site: SourceSite): Promise<void> => {
      for (let i = 0; i < 60 && site.group.mode !== 'journal'; i += 1) await site.passAndConfirm();
      assert.equal(site.group.mode, 'journal');
    };

    it('refuses no host, ships nothing meanwhile, and brings over what changed when there is room (I8)', async () => {
      const site = await SourceSite.start(options);
      assert.equal(await site.fill(120), 'taken');
      assert.deepEqual([site.group.mode, site.waiting()], ['change-map', ['change-map']]);
      const sealed = site.group.sealed.length;
      assert.equal(await site.fill(10), 'taken');
      assert.equal(site.group.sealed.length, sealed);
      const { left } = site.group.copy!;
      assert.ok(left >= 64 * 1024 && left <= 2 * VOLUME_SIZE, `${left} bytes are marked`);
      await untilJournal(site);
      assert.deepEqual([site.group.copy, site.waiting()], [undefined, []]);
      await site.group.stop();
    });

    it('does so when its quota is made smaller than what it holds, and goes on when that is made larger', async () => {
      let quota = 64 * SEGMENT_BYTES_MAX;
      const site = await SourceSite.start({ ...options, quota: () => quota });
      assert.equal(await site.fill(200), 'taken');
      quota = options.quota() / 2;
      await site.clock.pass(1000);
      assert.deepEqual([site.group.mode, site.waiting()], ['change-map', ['change-map']]);
      assert.equal(await site.fill(2), 'taken');
      quota = 64 * SEGMENT_BYTES_MAX;
      await untilJournal(site);
      await site.group.stop();
    });

    it('brings over no more than what changed', async () => {
      const site = await SourceSite.start(options);
      const copied: number[] = [];
      const copy = site.host.copy.bind(site.host);
      site.host.copy = (marked) => {
        for (const { regionSize, bits } of marked) copied.push(regionSize, ...bits.subarray(0, 2));
        return copy(marked);
      };
      // Half a segment at a time, all of it in the first 64 KiB.
      for (let i = 0; i < 200 && site.group.mode === 'journal'; i += 1) {
        site.write('b', 0);
        await site.clock.pass(50);
      }
      assert.equal(site.group.mode, 'change-map');
      site.write('b', 0);
      site.write('a', 96 * 1024);
      await untilJournal(site);
      assert.deepEqual(copied, [64 * 1024, 0b10, 0, 64 * 1024, 0b1, 0]);
      await site.group.stop();
    });

    it('goes on with what is left after a restart, and needs no second copy for what was sealed', async () => {
      const site = await SourceSite.startFresh();
      const all = 2 * VOLUME_SIZE;
      let parts = 0;
      site.files.fault = ({ kind, path }) => {
        parts += kind === 'rename' && path.endsWith('.part') ? 1 : 0;
        return parts > 3 ? { when: 'before', error: systemError('EIO') } : undefined;
      };
      for (let i = 0; i < 20; i += 1) await site.clock.pass(500);
      site.files.fault = () => undefined;
      await site.host.stop();
      const opened = await site.back.open();
      const again = await SourceSite.startFresh({}, { disk: site.disk, done: opened.checkpoint.applied });
      assert.equal(again.group.mode, 'initializing');
      assert.ok(opened.marked > 0 && opened.marked < all, `${opened.marked} bytes are left`);
      assert.ok(again.group.copy!.left <= opened.marked);
      await untilJournal(again);
      await again.group.stop();
    });

    it('lets no copy fill the buffer by itself', async () => {
      const site = await SourceSite.startFresh(options);
      for (let i = 0; i < 60; i += 1) await site.clock.pass(500);
      assert.equal(site.group.mode === 'change-map', false);
      assert.ok(site.group.bufferUsed <= options.quota());
      await untilJournal(site);
      assert.deepEqual(
        site.lines.filter(({ level }) => level === 'error'),
        [],
      );
      await site.group.stop();
    });

    it('answers a marker that was placed too late that it does not fire (I9)', async () => {
      const site = await SourceSite.start(options);
      const marker = { id: 'ab'.repeat(16), kind: 'snapshot', name: 'noon' } as const;
      const outcomes: string[] = [];
      for (let i = 0; i < 200 && site.group.mode === 'journal'; i += 1) {
        site.group.placeMarker(marker).then(
          ({ lsn: at }) =>
            outcomes.push(site.group.sealed.some(({ range }) => range.last === at) ? 'fires' : 'wrong'),
          (error: unknown) => outcomes.push(errorCode(error)),
        );
        assert.notEqual(await site.fill(1), 'refused');
      }
      assert.equal(site.group.mode, 'change-map');
      await site.clock.pass(3000);
      assert.ok(outcomes.includes('fires') && !outcomes.includes('wrong'), outcomes.join());
      await assert.rejects(site.group.placeMarker(marker), { code: 'GROUP_NOT_CONSISTENT' });
      await site.group.stop();
    });
  });

  it('brings everything over again when it is told to, and takes no marker meanwhile', async () => {
    const site = await SourceSite.start();
    await site.group.initialize({ compare: false });
    assert.deepEqual([site.group.mode, site.group.copy?.left], ['delta', 2 * VOLUME_SIZE]);
    await assert.rejects(site.group.placeMarker({ id: 'ab'.repeat(16), kind: 'snapshot', name: 'noon' }), {
      code: 'GROUP_NOT_CONSISTENT',
    });
    const before = site.group.checkpoint.shipped;
    for (let i = 0; i < 60 && site.group.mode !== 'journal'; i += 1) await site.passAndConfirm();
    assert.equal(site.group.mode, 'journal');
    assert.ok(site.group.checkpoint.copyEnded > before);
    await site.group.stop();
  });

  it('does so also where a segment is sealed while all is marked, though hosts write nothing more', async () => {
    const site = await SourceSite.start();
    const markAll = site.back.markAll.bind(site.back);
    const late = Promise.withResolvers<undefined>();
    site.back.markAll = (comparing) =>
      Promise.all([markAll(comparing), late.promise]).then(([marked]) => marked);
    const begun = site.group.initialize({ compare: false });
    site.write('a');
    await site.clock.pass(3000);
    late.resolve(undefined);
    await begun;
    await site.comeInStep();
    await site.back.close();
  });

  it('tries a removal again that failed, and keeps the order of what is left', async () => {
    const site = await SourceSite.start();
    assert.equal(await site.fill(4), 'taken');
    const names = site.group.sealed.map(({ name }) => name);
    const failed: string[] = [];
    site.files.fault = ({ kind, path }) => {
      if (!path.endsWith(names[1]!) || failed.includes(kind)) return undefined;
      failed.push(kind);
      return { when: 'before', error: systemError('EIO') };
    };
    site.confirm();
    const left = site.segments();
    await site.clock.pass(0);
    assert.deepEqual(failed, ['rename', 'remove']);
    assert.deepEqual(
      site.group.sealed.map(({ name }) => name),
      names.slice(1),
    );
    assert.ok(left.length > 0);
    await site.clock.pass(1000);
    assert.deepEqual(site.segments(), []);
    await site.group.stop();
  });

  describe('that is stopped', () => {
    it('seals and destages what is in the journal first', async () => {
      const site = await SourceSite.start();
      site.write('a');
      site.write('b');
      const seen = ['a', 'b'].map((name) => site.seen(name));
      await site.group.stop();
      assert.ok(['a', 'b'].every((name, i) => site.content(name).equals(seen[i]!)));
      assert.equal(site.segments().length, 1);
    });

    it('ends at once when a volume is offline, saying what is left to the journal, and has it after a restart', async () => {
      const site = await SourceSite.start();
      site.disk.rename('/volumes/b', '/volumes/away');
      site.write('b');
      await site.group.stop();
      const last = site.lines.at(-1)!;
      assert.equal(last.level, 'warn');
      assert.deepEqual([last.fields?.['seal'], last.fields?.['destage']], [0, 1]);
      assert.match(String(last.fields?.['why']), /volume b/);
      await site.host.stop();
      site.disk.rename('/volumes/away', '/volumes/b');
      const { checkpoint } = await site.back.open();
      const again = await SourceSite.start({}, { disk: site.disk, done: checkpoint.applied });
      await again.clock.pass(100);
      assert.ok(again.content('b').some((byte) => byte !== 0));
      await again.group.stop();
    });

    it('waits no longer than its limit for a disk that does not answer', async () => {
      const site = await SourceSite.start();
      site.write('a');
      site.back.apply = () => new Promise(() => undefined);
      const stopping = site.group.stop();
      await site.clock.pass(29_000);
      assert.equal(await isSettled(stopping), false);
      await site.clock.pass(1000);
      await stopping;
      assert.match(String(site.lines.at(-1)?.fields?.['why']), /30 s/);
    });
  });
});
