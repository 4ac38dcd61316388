import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  MIB,
  PASSWORD,
  freeRange,
  listeningPorts,
  segmentName,
  startSite,
  until,
  type Site,
} from './fixture.ts';
import { RawClient, openData, passivePort } from './raw-client.ts';

const name = segmentName();

describe('a hostile client of the receiver', () => {
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

  async function expect(replies: Record<string, RegExp>): Promise<void> {
    for (const [command, answer] of Object.entries(replies))
      assert.match(await client.command(command), answer, command);
  }

  it('gets nothing but an invitation to log in before its login', async () => {
    const stranger = await RawClient.connect(site);
    for (const command of [
      'PWD',
      'PASV',
      'EPSV',
      `STOR inbox/${name}.part`,
      'LIST',
      'CWD inbox',
      'REST 1',
      'XYZ',
      'TYPE I',
    ]) {
      assert.match(await stranger.command(command), /^530/, command);
    }
    assert.match(await stranger.command(`PASS ${PASSWORD}`), /^503/);
    await stranger.close();
  });

  it('cannot leave its tree or use a name that is no segment', async () => {
    for (const path of [
      '../../etc/cron.d/x',
      '/etc/passwd',
      '..',
      'inbox/../../x.seg.part',
      'inbox/x',
      'inbox/.bashrc',
      `inbox/sub/${name}.part`,
      `${name}.part`,
      `status/${name}.part`,
      'status/destination.json',
      'journal/x',
      `inbox/${name}.part/../../../x`,
      `inbox/${name}.tmp`,
      `inbox/${'a'.repeat(300)}`,
      'inbox/CON',
      'inbox\\..\\x.seg.part',
      'inbox/%2e%2e/x.seg.part',
      'inbox/ütf.seg.part',
    ]) {
      await expect({ PASV: /^227/, [`STOR ${path}`]: /^553/, [`APPE ${path}`]: /^553/ });
      assert.match(await client.command(`DELE ${path}`), /^550/, path);
      assert.match(await client.command(`RNFR ${path}`), /^553/, path);
    }
    await expect({
      'CWD /etc': /^550/,
      'CWD ../../..': /^250/,
      PWD: /^257 "\/"/,
      'MKD /inbox/x': /^550/,
      'RMD inbox': /^502/,
    });
    assert.deepEqual(site.inbox(), []);
    assert.deepEqual(readdirSync(site.folder), ['inbox']);
  });

  it('cannot read, list or delete a segment, nor rename it to another', async () => {
    site.put(name, 'secret');
    site.put(`${name}.part`, 'part');
    await expect({ PASV: /^227/ });
    await expect({
      [`RETR inbox/${name}`]: /^550/,
      [`RETR inbox/${name}.part`]: /^550/,
      [`DELE inbox/${name}`]: /^550/,
      [`RNFR inbox/${name}`]: /^553/,
      [`RNFR inbox/${name}.part`]: /^350/,
      [`RNTO inbox/${segmentName(11)}`]: /^553/,
      [`RNTO inbox/${name}`]: /^503/,
    });
    // RNTO counts just behind RNFR.
    await expect({ [`RNFR inbox/${name}.part`]: /^350/, NOOP: /^200/, [`RNTO inbox/${name}`]: /^503/ });
    assert.deepEqual(site.inbox(), [name, `${name}.part`]);
    assert.equal(site.read(name).toString(), 'secret');
  });

  it('replaces a segment only whole, and never changes one in place (I4)', async () => {
    site.put(name, 'the first');
    site.put(`${name}.part`, 'what a cut left');
    assert.match(await client.upload(`APPE inbox/${name}`, Buffer.from('more')), /^553/);
    await expect({ 'REST 3': /^350/ });
    assert.match(await client.upload(`STOR inbox/${name}`, Buffer.from('x')), /^554/);
    assert.equal(site.read(name).toString(), 'the first');
    assert.match(await client.upload(`STOR inbox/${name}.part`, Buffer.from('second')), /^226/);
    assert.equal(site.read(name).toString(), 'the first');
    await expect({ [`RNFR inbox/${name}.part`]: /^350/, [`RNTO /inbox/${name}`]: /^250/ });
    assert.equal(site.read(name).toString(), 'second');
  });

  it('does not get a link in the inbox followed', async () => {
    const target = mkdtempSync(join(tmpdir(), 'target-'));
    writeFileSync(join(target, 'file'), 'untouched');
    symlinkSync(join(target, 'file'), join(site.folder, 'inbox', `${name}.part`));
    const answer = await client.upload(`STOR inbox/${name}.part`, Buffer.from('x'));
    assert.match(answer, /^451/);
    assert.match(await client.command(`SIZE inbox/${name}.part`), /^550/);
    rmSync(target, { recursive: true });
  });

  it('cannot make the receiver connect anywhere (bounce)', async () => {
    await expect({
      'PORT 127,0,0,1,0,22': /^502/,
      'EPRT |1|127.0.0.1|22|': /^502/,
      'LIST inbox': /^425/,
      [`STOR inbox/${name}.part`]: /^425/,
    });
  });

  it('gets 502 for what the receiver has no business with', async () => {
    for (const command of [
      'SITE EXEC id',
      'SITE CHMOD 777 inbox',
      'STAT',
      'HELP',
      'REIN',
      'ACCT x',
      'SMNT /',
      'STOU',
      'ALLO 9',
      'XMKD x',
      'CCC',
      'HASH x',
    ]) {
      assert.match(await client.command(command), /^50[02]/, command);
    }
    await expect({
      'TYPE E': /^504/,
      'MODE B': /^504/,
      'STRU R': /^504/,
      'TYPE A': /^200/,
      'MODE S': /^200/,
      'STRU F': /^200/,
    });
    await expect({
      'REST -1': /^501/,
      'REST 9999999999999999': /^501/,
      'OPTS MLST size': /^501/,
      'USER x': /^503/,
    });
  });

  it('on another address cannot take a data connection over', async () => {
    const port = passivePort(await client.command('PASV'));
    const thief = await openData(port, { localAddress: '127.0.0.2' });
    await until(() => thief.destroyed || thief.readableEnded);
    const data = await openData(port);
    assert.match(await client.command(`STOR inbox/${name}.part`), /^150/);
    data.end('mine');
    assert.match(await client.reply(), /^226/);
    assert.equal(site.read(`${name}.part`).toString(), 'mine');
    assert.match(site.log.join('\n'), /another address refused.*127\.0\.0\.2/);
  });

  it('gets one data connection a transfer: a second one finds the port closed', async () => {
    const port = passivePort(await client.command('PASV'));
    const [data, second] = [await openData(port), await openData(port)];
    await until(() => second.destroyed);
    await expect({ 'LIST inbox': /^150/ });
    assert.match(await client.reply(), /^226/);
    data.destroy();
  });

  it('with an over-long line is told so and disconnected, with the line ended or not', async () => {
    assert.match(await client.command(`CWD ${'x'.repeat(600)}`), /^500/);
    assert.equal(await client.reply(), 'closed');
    const other = await RawClient.connect(site);
    other.write('x'.repeat(100_000));
    assert.match(await other.reply(), /^500/);
    assert.equal(await other.reply(), 'closed');
    await until(() => site.receiver.connections() === 0);
  });

  it('gets pipelined commands answered one by one, in order', async () => {
    client.write('PWD\r\nCWD inbox\r\nPWD\nCDUP\r\nPWD\r\nbad\0\r\nNOOP\r\n');
    const answers: string[] = [];
    for (let i = 0; i < 7; i++) answers.push((await client.reply()).slice(0, 12));
    assert.deepEqual(
      answers.map((answer) => answer.slice(0, 3)),
      ['257', '250', '257', '250', '257', '500', '200'],
    );
    assert.match(answers[2] ?? '', /"\/inbox"/);
  });

  it('that floods commands without reading is held up, not buffered', async () => {
    client.socket.pause();
    const line = 'NOOP\r\n'.repeat(10_000);
    let isBlocked = false;
    for (let i = 0; i < 2_000 && !isBlocked; i++) {
      isBlocked = !client.socket.write(line) && client.socket.writableLength > 2 * MIB;
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert(isBlocked, 'the receiver took everything');
    const other = await RawClient.loggedIn(site);
    assert.match(await other.command('NOOP'), /^200/);
    await other.close();
  });

  it('that asks 1,000 times for a port and never connects holds one, inside the range, and none when it leaves', async () => {
    await site.stop();
    const range = await freeRange(4);
    site = await startSite({ passivePorts: range });
    client = await RawClient.loggedIn(site);
    const other = await RawClient.loggedIn(site);
    for (let i = 0; i < 1_000; i++) {
      const answer = await client.command(i % 2 === 0 ? 'PASV' : 'EPSV');
      const port = i % 2 === 0 ? passivePort(answer) : Number(/\|\|\|(\d+)\|/.exec(answer)?.[1]);
      assert(port >= range.first && port <= range.last, answer);
    }
    assert.equal((await listeningPorts(range.first, range.last)).length, 1);
    assert.match(await other.command('PASV'), /^227/);
    await Promise.all([client.close(), other.close()]);
    await until(() => site.receiver.connections() === 0);
    assert.deepEqual(await listeningPorts(range.first, range.last), []);
  });

  it('finds the ports of other sessions taken, and them free again after a refused transfer', async () => {
    await site.stop();
    const range = await freeRange(1);
    site = await startSite({ passivePorts: range });
    client = await RawClient.loggedIn(site);
    const other = await RawClient.loggedIn(site);
    await expect({ PASV: /^227/ });
    assert.match(await other.command('PASV'), /^425/);
    await expect({ 'STOR x': /^553/ });
    assert.match(await other.command('PASV'), /^227/);
    await other.close();
  });

  it('sees the inbox of its own login alone', async () => {
    await site.stop();
    const folder = mkdtempSync(join(tmpdir(), 'receiver-other-'));
    site = await startSite({ others: [{ user: 'other', password: 'x', folder, quota: () => MIB }] });
    site.put(name, 'whole');
    client = await RawClient.connect(site);
    await expect({ 'USER other': /^331/, 'PASS x': /^230/, [`SIZE inbox/${name}`]: /^550/ });
    const data = await client.data();
    let listing = '';
    data.on('data', (chunk: Buffer) => (listing += chunk.toString()));
    await expect({ 'NLST inbox': /^150/ });
    assert.match(await client.reply(), /^226/);
    assert.equal(listing, '');
    rmSync(folder, { recursive: true });
  });
});
