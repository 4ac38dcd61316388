import assert from 'node:assert/strict';
import { discard } from '../../src/journal/segment/discard.ts';
import { lastingMemory } from '../../src/journal/segment/lasting-memory.ts';

describe('a buffer that is discarded', () => {
  it('gives its memory back at once, with all that is seen of it', () => {
    const whole = Buffer.alloc(1024 * 1024, 1);
    const part = whole.subarray(100, 200);
    discard([part]);
    assert.deepEqual([whole.length, part.length], [0, 0]);
    discard([whole]);
  });

  it('keeps the memory that is used again', () => {
    const memory = lastingMemory(1024 * 1024);
    discard([memory.subarray(100, 200)]);
    assert.equal(memory.length, 1024 * 1024);
  });

  it('takes nothing from others that it shares memory with', () => {
    const [small, other] = [Buffer.allocUnsafe(16), Buffer.from('other')];
    discard([small]);
    assert.equal(other.toString(), 'other');
    assert.equal(small.length, 16);
  });
});
