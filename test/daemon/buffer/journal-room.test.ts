import assert from 'node:assert/strict';
import { journalRoomText } from '../../../src/daemon/buffer/journal-room.ts';

describe('how long hosts can go on without destaging', () => {
  const text = (closed: number, rate?: number): string => journalRoomText({ segmentsMax: 8, closed, rate });

  it('is told in journal segments, and in time where a rate is known', () => {
    assert.match(text(2), /for 5 more journal segments; after that their writes wait$/);
    assert.match(text(6, 0), /for 1 more journal segment; /);
    assert.match(text(2, 1 / 2000), /for 5 more journal segments \(about 10 s at the present rate\); after/);
  });

  it('is no time at all when all are in use', () => {
    for (const closed of [7, 8, 12]) assert.match(text(closed, 1), /^all 8 journal segments are in use/);
  });
});
