import assert from 'node:assert/strict';
import { ioError, MemoryVolume } from '../support/memory-volume.ts';
import * as wire from './wire.ts';

const MIB = 1024 * 1024;
const KIB = 1024;

/** A volume of which nothing is in memory from `from` on, until `bringIn`. */
function coldVolume(from = 0): { readonly disk: MemoryVolume; readonly bringIn: () => void; asked: number } {
  const disk = new MemoryVolume('disk', 8 * MIB);
  for (let at = 0; at < disk.size; at += 4 * KIB)
    disk.content.fill(1 + ((at / (4 * KIB)) % 251), at, at + 4 * KIB);
  const gate = Promise.withResolvers<undefined>();
  const made = { disk, asked: 0, bringIn: () => gate.resolve(undefined) };
  disk.readGate = (offset) => {
    if (offset < from) return undefined;
    made.asked += 1;
    return gate.promise;
  };
  return made;
}

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await wire.settle();
}

const cookies = (bytes: Buffer): number[] => wire.replies(bytes).map(({ cookie }) => cookie);

describe('an NBD session whose volume is not in memory', () => {
  it('answers what comes behind a READ that waits, and the READ when what it reads is there', async () => {
    const { disk, bringIn } = coldVolume(4 * KIB);
    const talk = new wire.Talk([disk]).go('disk');
    talk.receive(
      Buffer.concat([
        wire.request(wire.READ, 1, { offset: 4 * KIB, length: 4 * KIB }),
        wire.request(wire.READ, 2, { offset: 0, length: 4 * KIB }),
        wire.request(wire.WRITE, 3, { offset: MIB, data: Buffer.alloc(512, 7) }),
        wire.request(wire.FLUSH, 4),
      ]),
    );
    await settled();
    assert.deepEqual(cookies(talk.take()), [2, 3, 4]);
    bringIn();
    await settled();
    const [late] = wire.replies(talk.take());
    assert.equal(late?.cookie, 1);
    assert.ok(late.data.equals(disk.content.subarray(4 * KIB, 8 * KIB)));
  });

  it('gives what the volume holds when it is there, not what it held before', async () => {
    const { disk, bringIn } = coldVolume();
    const talk = new wire.Talk([disk]).go('disk');
    talk.receive(wire.request(wire.READ, 1, { offset: 0, length: 4 * KIB }));
    talk.receive(wire.request(wire.WRITE, 2, { offset: 0, data: Buffer.alloc(4 * KIB, 99) }));
    bringIn();
    await settled();
    const read = wire.replies(talk.take()).find(({ cookie }) => cookie === 1);
    assert.ok(read?.data.equals(Buffer.alloc(4 * KIB, 99)));
  });

  it('waits with a long READ for each of its chunks, and answers all of it', async () => {
    const { disk, bringIn } = coldVolume(600 * KIB);
    const talk = new wire.Talk([disk]).go('disk');
    talk.receive(wire.request(wire.READ, 1, { offset: 0, length: 2 * MIB }));
    talk.receive(wire.request(wire.READ, 2, { offset: 0, length: 4 * KIB }));
    const begun = talk.take();
    assert.ok(begun.length < MIB, `${begun.length} bytes though the third chunk is not there`);
    bringIn();
    await settled();
    const [first, second] = wire.replies(Buffer.concat([begun, talk.take()]));
    assert.equal(first?.cookie, 1);
    assert.ok(first.data.equals(disk.content.subarray(0, 2 * MIB)));
    assert.equal(second?.cookie, 2);
  });

  it('takes no more READs that wait than it has memory for', async () => {
    const cold = coldVolume();
    const talk = new wire.Talk([cold.disk]).go('disk');
    const reads = Array.from({ length: 400 }, (_, i) =>
      wire.request(wire.READ, i, { offset: i * 16 * KIB, length: 16 * KIB }),
    );
    talk.receive(Buffer.concat(reads));
    await settled();
    assert.ok(cold.asked <= 64, `${cold.asked} READs of 16 KiB wait`);
    cold.bringIn();
    for (let i = 0; i < 20; i += 1) await settled();
    assert.equal(new Set(cookies(talk.take())).size, 400);
  });

  it('answers a READ that fails once it is waited for with its error', async () => {
    const { disk, bringIn } = coldVolume();
    const talk = new wire.Talk([disk]).go('disk');
    talk.receive(wire.request(wire.READ, 1, { length: 4 * KIB }));
    disk.failReadAt = { offset: 0, error: ioError() };
    bringIn();
    await settled();
    assert.deepEqual(
      wire.replies(talk.take()).map(({ cookie, error }) => [cookie, error]),
      [[1, 5]],
    );
  });

  it('answers what waits before it ends after DISC', async () => {
    const { disk, bringIn } = coldVolume();
    const talk = new wire.Talk([disk]).go('disk');
    talk.receive(
      Buffer.concat([wire.request(wire.READ, 1, { length: 4 * KIB }), wire.request(wire.DISC, 2)]),
    );
    await settled();
    assert.equal(talk.ended, undefined);
    assert.equal(talk.session.repliesPending, 1);
    bringIn();
    await settled();
    assert.deepEqual(cookies(talk.take()), [1]);
    assert.deepEqual(talk.ended, { reason: undefined });
  });

  it('reads nothing more for a host that is gone', async () => {
    const { disk, bringIn } = coldVolume();
    const talk = new wire.Talk([disk]).go('disk');
    talk.receive(wire.request(wire.READ, 1, { length: 4 * KIB }));
    talk.session.end();
    let read = 0;
    disk.read = () => void (read += 1);
    bringIn();
    await settled();
    assert.equal(read, 0);
    assert.equal(talk.bytes().length, 0);
  });
});
