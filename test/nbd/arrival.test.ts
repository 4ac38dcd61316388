import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MemoryVolume } from '../support/memory-volume.ts';
import * as wire from './wire.ts';

const MIB = 1024 * 1024;
const filled = (length: number, byte: number): Buffer => Buffer.alloc(length, byte);

type Step = readonly [type: number, sector: number, sectors: number, flags: number];

function bytesOf(steps: readonly Step[]): Buffer {
  const requests = steps.map(([type, sector, sectors, flags], i) => {
    const length = sectors * 512;
    if (type !== wire.WRITE) {
      return wire.request(type, i + 1, {
        offset: sector * 512,
        length: type === wire.FLUSH ? 0 : length,
        flags,
      });
    }
    return wire.request(type, i + 1, {
      offset: sector * 512,
      flags,
      data: filled(length, (i * 37 + 1) & 255),
    });
  });
  return Buffer.concat(requests);
}

async function outcome(bytes: Buffer, cuts: readonly number[]): Promise<unknown> {
  const disk = new MemoryVolume('disk', 2 * MIB);
  const talk = new wire.Talk([disk]).go('disk');
  let at = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    const end = Math.max(at, Math.min(cut, bytes.length));
    talk.receive(Buffer.from(bytes.subarray(at, end)));
    at = end;
  }
  talk.receive(Buffer.from(bytes.subarray(at)));
  await wire.settle();
  const replies = wire.replies(talk.take()).sort((a, b) => a.cookie - b.cookie);
  return {
    replies: replies.map((reply) => [reply.cookie, reply.error, reply.data.toString('latin1')]),
    content: disk.content.toString('latin1'),
    ended: talk.ended,
  };
}

describe('how bytes arrive', () => {
  const step = fc.tuple(
    fc.constantFrom(wire.READ, wire.WRITE, wire.WRITE, wire.WRITE, wire.FLUSH, wire.TRIM, wire.WRITE_ZEROES),
    fc.integer({ min: 0, max: 1700 }),
    fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 100, max: 1800 })),
    fc.constantFrom(0, 0, 0, wire.FUA),
  );

  it('changes nothing: any split of the same bytes gives the same replies and the same volume', async () => {
    const property = fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 12 }),
      fc.array(fc.integer({ min: 0, max: 3 * MIB }), { maxLength: 30 }),
      async (steps, cuts) => {
        const bytes = bytesOf(steps.filter(([, sector, sectors]) => (sector + sectors) * 512 <= 2 * MIB));
        assert.deepEqual(await outcome(bytes, cuts), await outcome(bytes, []));
      },
    );
    await fc.assert(property, { numRuns: 150 });
  });

  it('changes nothing byte by byte either, handshake included', async () => {
    const disk = new MemoryVolume('disk', MIB);
    const talk = new wire.Talk([disk]);
    const bytes = Buffer.concat([
      wire.CLIENT_FLAGS,
      wire.STRUCTURED_REPLY,
      wire.option(7, wire.chooses('')),
      wire.request(wire.WRITE, 1, { data: filled(1024, 3) }),
      wire.request(wire.READ, 2, { length: 1024 }),
      wire.request(wire.DISC, 0),
    ]);
    for (const byte of bytes) talk.receive(Buffer.from([byte]));
    await wire.settle();
    assert.deepEqual(talk.ended, { reason: undefined });
    assert.equal(disk.content[1023], 3);
  });
});
