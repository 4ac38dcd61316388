import assert from 'node:assert/strict';
import { join } from 'node:path';
import { handoverOf } from '../../src/destage/destination-facts.ts';
import type { DestinationBack } from '../../src/destage/destination-back.ts';
import { epoch } from '../../src/journal/ids.ts';
import { temporaryFolder } from '../support/folder.ts';
import { marker, Site, Stream, write, type Step } from './stream.ts';

const NEXT = { number: epoch(2), id: 'ef'.repeat(16) };
const HANDOVER = { kind: 'handover', epoch: NEXT } as const;
const BEGIN = [{ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' }] as const;

describe('a handover', () => {
  let stream: Stream;
  let site: Site;
  let back: DestinationBack;

  beforeEach(() => {
    const root = temporaryFolder();
    stream = new Stream(join(root, 'source'));
    site = new Site(root);
    back = site.start();
  });

  afterEach(() => back.close());

  async function apply(...steps: readonly Step[]): Promise<ReturnType<typeof handoverOf>> {
    await back.receive([site.deliver(stream.seal(...steps))]);
    return handoverOf(await back.applySome());
  }

  it('is to a destination that has all of it', async () => {
    await apply(...BEGIN, { kind: 'init-end' });
    assert.deepEqual(await apply(write(0, 0, 1), HANDOVER), NEXT);
  });

  it('waits for a copy that goes on, also over a restart (I11)', async () => {
    assert.equal(await apply(...BEGIN, write(0, 0, 1), HANDOVER), undefined);
    await back.close();
    back = site.start();
    assert.deepEqual(await apply(write(0, 4096, 1), { kind: 'init-end' }), NEXT);
  });

  it('is forgotten when another copy begins: what called it off may have been left out before that (I11)', async () => {
    await apply(...BEGIN, { kind: 'init-end' }, HANDOVER);
    assert.equal(await apply({ kind: 'init-begin' }), undefined);
    assert.equal(await apply({ kind: 'init-end' }), undefined);
  });

  it('counts behind a copy that was asked for when it had come: whoever hands over still puts it again', async () => {
    await apply(...BEGIN, { kind: 'init-end' }, HANDOVER, { kind: 'init-begin' });
    assert.deepEqual(await apply({ kind: 'init-end' }, HANDOVER), NEXT);
  });

  it('waits for the program of a marker before it', async () => {
    const id = '0123456789abcdef0123456789abcdef';
    await apply(...BEGIN, { kind: 'init-end' }, marker('custom', 'backup', id));
    assert.equal(await apply(HANDOVER), undefined);
    await back.finishMarker(id);
    assert.deepEqual(handoverOf(await back.applySome()), NEXT);
  });

  it('can be called off', async () => {
    await apply(...BEGIN, HANDOVER, { kind: 'handover', epoch: null });
    assert.equal(await apply({ kind: 'init-end' }), undefined);
  });
});
