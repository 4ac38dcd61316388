import assert from 'node:assert/strict';
import { systemError } from '../support/tampered-files.ts';
import { Engine, freshDisk } from './engine.ts';
import { settle } from './journal.ts';

describe('a host’s read of what is not in memory', () => {
  it('reads what it had to wait for where it lies by then, whatever was destaged and used again meanwhile (I2)', async () => {
    const engine = new Engine(freshDisk(0x11));
    const into = Buffer.alloc(4096);
    engine.write('a', 0, Buffer.alloc(4096, 1));
    const gate = Promise.withResolvers<undefined>();
    engine.files.readGate = gate.promise;
    const wait = engine.volume('a').readNow(0, into);
    assert.ok(wait !== undefined);
    for (let i = 0; i < 40; i += 1) {
      while (engine.volume('b').room() !== undefined) {
        await settle();
        engine.destage();
      }
      engine.write('b', 0, Buffer.alloc(4096, 2));
    }
    gate.resolve(undefined);
    await wait;
    engine.volume('a').read(0, into);
    assert.ok(into.equals(Buffer.alloc(4096, 1)));
    engine.host.stop();
  });

  it('fails where the volume cannot be had, though what lies in the journal waits to be brought in, and fails', async () => {
    const engine = new Engine(freshDisk(0x11));
    engine.write('a', 0, Buffer.alloc(4096, 1));
    engine.remains.disk.remove('/volumes/a');
    engine.files.readGate = Promise.reject(systemError('EIO'));
    // Would end the thread, with all of its groups.
    const unheard: unknown[] = [];
    const hear = (error: unknown): number => unheard.push(error);
    process.on('unhandledRejection', hear);
    assert.throws(() => engine.volume('a').readNow(0, Buffer.alloc(8192)), { code: 'EIO' });
    for (let i = 0; i < 5; i += 1) await settle();
    process.off('unhandledRejection', hear);
    assert.deepEqual(unheard, []);
    engine.host.stop();
  });

  it('is not failed by what failed when it was brought in: it is read then, and that tells', async () => {
    const engine = new Engine(freshDisk(0x11));
    const into = Buffer.alloc(4096);
    engine.files.readGate = Promise.reject(systemError('EIO'));
    await engine.volume('a').readNow(0, into);
    engine.volume('a').read(0, into);
    assert.ok(into.equals(Buffer.alloc(4096, 0x11)));
    engine.host.stop();
  });
});
