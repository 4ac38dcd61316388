import assert from 'node:assert/strict';
import { Dice } from './dice.ts';
import { Loop } from './loop.ts';
import { Machine, NOTHING_KEPT } from './machine.ts';
import { Death, Program } from './program.ts';

const MIB = 1024 * 1024;

function machine(): Machine {
  const made = new Machine('test', new Loop(), new Dice('disk'), 0);
  made.disk.makeDirectory('/d');
  return made;
}

function programOn(made: Machine): Program {
  const processes = { run: () => Promise.reject(new Error('no programs here')) };
  return new Program({
    machine: made,
    dice: new Dice('program'),
    clones: true,
    processes,
    onDeath: () => undefined,
    onUncaught: (error) => {
      throw error;
    },
  });
}

const text = (made: Machine, path: string): string | undefined =>
  made.disk.find(path)?.content().toString('latin1');

describe('the simulated disk', () => {
  it('forgets with the power what was not synced: contents, names and renames', () => {
    const made = machine();
    const { files } = programOn(made).platform;
    const file = files.open('/d/a', 'create-new');
    file.write(Buffer.from('old'), 0);
    file.syncNow();
    files.syncDirectory('/d');
    file.write(Buffer.from('new'), 0);
    files.open('/d/b', 'create-new').write(Buffer.from('b'), 0);
    files.rename('/d/a', '/d/c');
    assert.equal(text(made, '/d/c'), 'new');
    made.losePower(NOTHING_KEPT);
    assert.deepEqual(
      [text(made, '/d/a'), text(made, '/d/b'), text(made, '/d/c')],
      ['old', undefined, undefined],
    );
  });

  it('keeps any subset of what was not synced, and of one write any of its sectors', () => {
    const seen = new Set<string>();
    for (let i = 0; i < 200; i += 1) {
      const made = machine();
      const { files } = programOn(made).platform;
      const file = files.open('/d/a', 'create-new');
      file.write(Buffer.alloc(1024, '-'), 0);
      file.syncNow();
      files.syncDirectory('/d');
      file.write(Buffer.alloc(1024, '1'), 0);
      file.write(Buffer.alloc(512, '2'), 512);
      const dice = new Dice(String(i));
      const whole = dice.chance(0.5);
      made.losePower({
        name: () => true,
        renamesWhole: true,
        change: () => (whole ? (dice.chance(0.5) ? 'keep' : 'lose') : () => dice.chance(0.5)),
      });
      const content = text(made, '/d/a')!;
      seen.add(`${content[0]!}${content[512]!}`);
      assert.equal(content, content[0]!.repeat(512) + content[512]!.repeat(512));
    }
    assert.deepEqual([...seen].sort(), ['--', '-1', '-2', '1-', '11', '12']);
  });

  it('covers with a sync that takes its time only what was written before it began', async () => {
    const made = machine();
    const { files } = programOn(made).platform;
    const file = files.open('/d/a', 'create-new');
    files.syncDirectory('/d');
    file.write(Buffer.from('one'), 0);
    let synced = false;
    void file.sync().then(() => (synced = true));
    file.write(Buffer.from('two'), 0);
    assert.ok(await made.loop.run(() => synced, 1000));
    made.losePower(NOTHING_KEPT);
    assert.equal(text(made, '/d/a'), 'one');
  });

  it('gives up with a sync that fails what it was to write: the next one succeeds without it', () => {
    const made = machine();
    const { files } = programOn(made).platform;
    const file = files.open('/d/a', 'create-new');
    files.syncDirectory('/d');
    file.write(Buffer.from('old'), 0);
    file.syncNow();
    file.write(Buffer.from('new!'), 0);
    made.fault = () => ({ kind: 'error', code: 'EIO', part: 0, drops: true });
    assert.throws(() => file.syncNow(), { code: 'EIO' });
    made.fault = () => undefined;
    file.write(Buffer.from('5'), 4);
    file.syncNow();
    assert.equal(text(made, '/d/a'), 'new!5');
    assert.equal(made.disk.find('/d/a')?.isSynced, false);
    made.losePower(NOTHING_KEPT);
    assert.equal(text(made, '/d/a'), 'old\x005');
  });

  it('has on the medium what the same bytes were written over, and not what others were', () => {
    const made = machine();
    const file = programOn(made).platform.files.open('/d/a', 'create-new');
    file.write(Buffer.from('123'), 0);
    file.syncNow();
    const inode = made.disk.find('/d/a');
    file.write(Buffer.from('23'), 1);
    assert.equal(inode?.isSynced, true);
    for (const [bytes, at] of [
      ['24', 1],
      ['4', 3],
    ] as const) {
      file.write(Buffer.from(bytes), at);
      assert.equal(inode.isSynced, false);
      file.syncNow();
    }
    file.truncate(2);
    assert.equal(inode.isSynced, false);
  });

  it('leaves a file as long as it is when that is cut to its length, also when the power fails before that is synced', () => {
    const made = machine();
    const file = programOn(made).platform.files.open('/d/a', 'create-new');
    file.write(Buffer.from('1'), 0);
    file.write(Buffer.from('2'), 1);
    file.write(Buffer.from('3'), 2);
    file.syncNow();
    made.disk.syncDirectory('/d');
    file.truncate(3);
    made.losePower({ ...NOTHING_KEPT, change: () => () => true });
    assert.equal(text(made, '/d/a'), '123');
  });

  it('is full when it is full: what fits of a write is there, what was reserved can always be written', () => {
    const made = machine();
    const { files } = programOn(made).platform;
    const reserved = files.open('/d/reserved', 'create-new');
    reserved.allocate(MIB);
    made.disk.setCapacity('d', made.disk.usedBy('d') + 8192);
    const file = files.open('/d/a', 'create-new');
    assert.throws(() => file.write(Buffer.alloc(20_000, 1), 0), { code: 'ENOSPC' });
    assert.equal(file.size(), 8192);
    reserved.write(Buffer.alloc(MIB, 2), 0);
    assert.equal(files.freeSpace('/d'), 0);
    files.remove('/d/a');
    assert.equal(files.freeSpace('/d'), 8192);
  });

  it('tells where data is, and takes back the room of what is punched', () => {
    const made = machine();
    const file = programOn(made).platform.files.open('/d/a', 'create-new');
    file.truncate(64 * 1024);
    file.write(Buffer.alloc(4096, 1), 8192);
    assert.deepEqual(file.nextData(0), { start: 8192, end: 12_288 });
    assert.equal(file.nextData(12_288), undefined);
    assert.ok(file.punchHole(8192, 4096));
    assert.equal(file.nextData(0), undefined);
    assert.equal(made.disk.usedBy('d'), 0);
  });

  it('does nothing for a program that is dead', () => {
    const made = machine();
    const program = programOn(made);
    const { files } = program.platform;
    made.fault = ({ kind }) =>
      kind === 'rename' ? { kind: 'death', before: false, power: false } : undefined;
    files.open('/d/a', 'create-new');
    assert.throws(() => files.rename('/d/a', '/d/b'), Death);
    assert.deepEqual([program.alive, made.disk.list('/d')], [false, ['b']]);
    assert.throws(() => files.remove('/d/b'), Death);
    assert.deepEqual(made.disk.list('/d'), ['b']);
  });
});
