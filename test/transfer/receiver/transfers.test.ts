import assert from 'node:assert/strict';
import { MIB, content, segmentFile, segmentName, startSite, until, type Site } from './fixture.ts';
import { RawClient } from './raw-client.ts';

const name = segmentName();

describe('a transfer to the receiver', () => {
  let site: Site;
  let client: RawClient;

  beforeEach(async () => {
    site = await startSite();
    client = await RawClient.loggedIn(site);
  });
  afterEach(async () => {
    await client.close();
    await site.stop();
  });

  it('is ended by ABOR: the part stays, the session goes on', async () => {
    const data = await client.data();
    assert.match(await client.command(`STOR inbox/${name}.part`), /^150/);
    data.write(content(MIB));
    await until(() => site.has(`${name}.part`) && site.read(`${name}.part`).length === MIB);
    client.write(Buffer.from([0xff, 0xf4, 0xff, 0xf2]));
    client.write('ABOR\r\n');
    assert.match(await client.reply(), /^426/);
    assert.match(await client.reply(), /^226/);
    assert.match(await client.command(`SIZE inbox/${name}.part`), new RegExp(`^213 ${MIB}$`));
    data.destroy();
  });

  it('that was lost is ended when its sender comes back: SIZE tells what will not change', async () => {
    const data = await client.data();
    assert.match(await client.command(`STOR inbox/${name}.part`), /^150/);
    data.write('begun');
    await until(() => site.has(`${name}.part`) && site.read(`${name}.part`).length === 5);
    const again = await RawClient.loggedIn(site);
    assert.match(await again.command(`RNFR inbox/${name}.part`), /^350/);
    assert.match(await again.command(`RNTO inbox/${name}`), /^450/);
    assert.match(await again.command(`DELE inbox/${name}.part`), /^450/);
    assert.match(await again.command(`SIZE inbox/${name}.part`), /^213 5$/);
    assert.match(await client.reply(), /^426/);
    data.write('late');
    assert.match(await again.upload(`APPE inbox/${name}.part`, Buffer.from(' and ended')), /^226/);
    assert.equal(site.read(`${name}.part`).toString(), 'begun and ended');
    await again.close();
  });

  it('whose data connection is reset leaves the part, and 426 is answered', async () => {
    const data = await client.data();
    assert.match(await client.command(`STOR inbox/${name}.part`), /^150/);
    data.write('begun');
    await until(() => site.has(`${name}.part`) && site.read(`${name}.part`).length === 5);
    data.resetAndDestroy();
    assert.match(await client.reply(), /^426/);
    assert.equal(site.read(`${name}.part`).toString(), 'begun');
  });

  it('cannot resume behind the end of a part', async () => {
    site.put(`${name}.part`, 'five!');
    assert.match(await client.command('REST 6'), /^350/);
    assert.match(await client.upload(`STOR inbox/${name}.part`, Buffer.from('x')), /^554/);
    assert.equal(site.read(`${name}.part`).toString(), 'five!');
  });

  it('whose data connection never comes does not harm the part', async () => {
    site.put(`${name}.part`, 'five!');
    assert.match(await client.command('PASV'), /^227/);
    client.write(`STOR inbox/${name}.part\r\nABOR\r\n`);
    assert.match(await client.reply(), /^425/);
    assert.match(await client.reply(), /^226/);
    assert.equal(site.read(`${name}.part`).toString(), 'five!');
  });

  it('of an empty file ends although its end came before its command', async () => {
    const data = await client.data();
    data.end();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.match(await client.command(`STOR inbox/${name}.part`), /^150/);
    assert.match(await client.reply(), /^226/);
    assert.equal(site.read(`${name}.part`).length, 0);
  });

  it('is ended with its part kept when the receiver closes', async () => {
    const data = await client.data();
    assert.match(await client.command(`STOR inbox/${name}.part`), /^150/);
    data.write('begun');
    await until(() => site.has(`${name}.part`) && site.read(`${name}.part`).length === 5);
    await site.receiver.close();
    assert.equal(site.receiver.connections(), 0);
    assert.match(await client.reply(), /^421/);
    assert.deepEqual(site.inbox(), [`${name}.part`]);
    data.destroy();
  });

  it('under a final name publishes a file that is whole and no other (I6)', async () => {
    const file = segmentFile(10_000);
    for (const length of [0, 127, 5_000, 9_999]) {
      assert.match(await client.upload(`STOR inbox/${name}`, file.subarray(0, length)), /^426/);
      assert.deepEqual(site.inbox(), [`${name}.part`]);
      assert.equal(site.read(`${name}.part`).length, length);
    }
    assert.match(await client.upload(`STOR inbox/${name}`, file), /^226/);
    assert.deepEqual(site.inbox(), [name]);
    assert.equal(site.stored.length, 1);
    assert.match(await client.upload(`APPE inbox/${segmentName(11)}`, file), /^226/);
    assert(site.read(segmentName(11)).equals(file));
  });
});
