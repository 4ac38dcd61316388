import assert from 'node:assert/strict';
import { Admission, LoginThrottle } from '../../../src/transfer/receiver/admission.ts';
import {
  CONNECTIONS_PER_LOGIN_MAX,
  DATA_CONNECT_TIME,
  DATA_IDLE_TIME,
  FAILED_LOGINS_PER_CONNECTION_MAX,
  FAILED_LOGIN_DELAY,
  IDLE_TIME,
  LOGIN_FAILURES_PER_ADDRESS_MAX,
  LOGIN_FAILURES_PER_USER_MAX,
  LOGIN_FAILURE_ENTRIES_MAX,
  LOGIN_FAILURE_WINDOW,
  LOGIN_TIME,
  NOT_LOGGED_IN_PER_ADDRESS_MAX,
  TLS_HANDSHAKE_TIME,
} from '../../../src/transfer/receiver/limits.ts';
import {
  ManualClock,
  PASSWORD,
  USER,
  makeCertificate,
  segmentName,
  startSite,
  until,
  type Site,
} from './fixture.ts';
import { RawClient } from './raw-client.ts';

const name = segmentName();

describe('the receiver counts failed logins', () => {
  it('by user and address, so that one wrong password does not lock out the neighbours', () => {
    const throttle = new LoginThrottle();
    for (let i = 0; i < LOGIN_FAILURES_PER_USER_MAX; i++) {
      assert(throttle.allows('192.0.2.1', 'a', i));
      throttle.failed('192.0.2.1', 'a', i);
    }
    assert(!throttle.allows('192.0.2.1', 'a', 10));
    assert(throttle.allows('192.0.2.1', 'b', 10));
    assert(throttle.allows('192.0.2.2', 'a', 10));
    assert(throttle.allows('192.0.2.1', 'a', LOGIN_FAILURE_WINDOW));
  });

  it('by address over all names, and a valid login does not buy more guesses', () => {
    const throttle = new LoginThrottle();
    for (let i = 0; i < LOGIN_FAILURES_PER_ADDRESS_MAX; i++) {
      throttle.failed('192.0.2.1', `user${i}`, 0);
      throttle.succeeded('192.0.2.1', 'mine');
    }
    assert(!throttle.allows('192.0.2.1', 'anyone', 1));
    assert(throttle.allows('192.0.2.1', 'anyone', LOGIN_FAILURE_WINDOW));
  });

  it('in bounded memory: the oldest counter goes first', () => {
    const throttle = new LoginThrottle();
    for (let i = 0; i < LOGIN_FAILURES_PER_USER_MAX; i++) throttle.failed('first', 'a', 0);
    for (let i = 0; i < LOGIN_FAILURE_ENTRIES_MAX; i++) throttle.failed(`address${i}`, 'a', 1);
    assert(throttle.allows('first', 'a', 2));
  });
});

describe('the receiver counts connections', () => {
  it('in all, of strangers by address, and of a login', () => {
    const admission = new Admission(CONNECTIONS_PER_LOGIN_MAX + NOT_LOGGED_IN_PER_ADDRESS_MAX + 2);
    for (let i = 0; i < CONNECTIONS_PER_LOGIN_MAX; i++) {
      assert(admission.connected('x') && admission.loggedIn('x', 'user'));
    }
    for (let i = 0; i < NOT_LOGGED_IN_PER_ADDRESS_MAX; i++) assert(admission.connected('x'));
    assert(!admission.connected('x'));
    assert(!admission.loggedIn('x', 'user'));
    assert(admission.connected('y') && admission.connected('y') && !admission.connected('z'));
    admission.left('x', 'user');
    assert(admission.loggedIn('y', 'user'));
    assert(admission.connected('z'));
    assert.equal(admission.count, CONNECTIONS_PER_LOGIN_MAX + NOT_LOGGED_IN_PER_ADDRESS_MAX + 2);
  });
});

describe("the receiver's limits", () => {
  let clock: ManualClock;
  let site: Site;
  let clients: RawClient[];

  beforeEach(() => {
    clock = new ManualClock();
    clients = [];
  });
  afterEach(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await site.stop();
    assert.equal(clock.pending, 0, 'every timer is cancelled');
  });

  async function connected(options = {}): Promise<RawClient> {
    const client = await RawClient.connect(site, options);
    clients.push(client);
    return client;
  }
  async function loggedIn(): Promise<RawClient> {
    const client = await RawClient.loggedIn(site);
    clients.push(client);
    return client;
  }

  /** A wrong password, with the wait for its answer. */
  async function guess(client: RawClient, user = USER): Promise<string> {
    assert.match(await client.command(`USER ${user}`), /^331/);
    const before = site.log.length;
    const answer = client.command('PASS guessed');
    await until(() => site.log.length > before);
    const late = new Promise<string>((resolve) => setTimeout(() => resolve('late'), 20));
    assert.equal(await Promise.race([answer, late]), 'late', 'a failed login is answered slowly');
    clock.advance(FAILED_LOGIN_DELAY);
    return answer;
  }

  it('close a connection after three wrong passwords, and refuse a user after five from one address', async () => {
    site = await startSite({ clock });
    const client = await connected();
    for (let i = 0; i < FAILED_LOGINS_PER_CONNECTION_MAX; i++) assert.match(await guess(client), /^530/);
    assert.equal(await client.reply(), 'closed');
    const second = await connected();
    assert.match(await guess(second), /^530/);
    assert.match(await guess(second), /^530/);
    assert.match(await guess(second), /^421 Too many failed/);
    const right = await connected();
    await right.command(`USER ${USER}`);
    const answer = right.command(`PASS ${PASSWORD}`);
    const before = site.log.length;
    await until(() => site.log.length > before);
    clock.advance(FAILED_LOGIN_DELAY);
    assert.match(await answer, /^421/);
    clock.advance(LOGIN_FAILURE_WINDOW);
    await loggedIn();
    assert(!site.log.join('\n').includes('guessed'));
  });

  it('answer an unknown user as a known one, and do not log its name', async () => {
    site = await startSite({ clock });
    const client = await connected();
    assert.match(await guess(client, 'Hunter2!'), /^530 User or password/);
    assert(!site.log.join('\n').includes('Hunter2'));
  });

  it('refuse connections over the total, and take them again', async () => {
    site = await startSite({ clock, connections: 3 });
    for (let i = 0; i < 3; i++) await loggedIn();
    const refused = await RawClient.dial(site);
    assert.match(await refused.reply(), /^421 Too many connections/);
    assert.equal(await refused.reply(), 'closed');
    assert.equal(site.receiver.connections(), 3);
    await clients[0]?.close();
    await until(() => site.receiver.connections() === 2);
    await loggedIn();
  });

  it('refuse strangers of one address while others connect; refusals are logged once', async () => {
    site = await startSite({ clock, connections: 100 });
    await loggedIn();
    for (let i = 0; i < NOT_LOGGED_IN_PER_ADDRESS_MAX; i++) await connected();
    for (let i = 0; i < 5; i++) {
      const refused = await RawClient.dial(site);
      assert.match(await refused.reply(), /^421/);
    }
    await connected({ localAddress: '127.0.0.2' });
    assert.equal(site.log.filter((line) => line.includes('too many connections')).length, 1);
  });

  it('refuse a login its surplus connections', async () => {
    site = await startSite({ clock, connections: 100 });
    for (let i = 0; i < CONNECTIONS_PER_LOGIN_MAX; i++) await loggedIn();
    const client = await connected();
    await client.command(`USER ${USER}`);
    assert.match(await client.command(`PASS ${PASSWORD}`), /^421 Too many connections of this login/);
  });

  it('end a connection that does not log in in time, however busy it is', async () => {
    site = await startSite({ clock });
    const client = await connected();
    client.write('US');
    clock.advance(LOGIN_TIME - 1);
    assert.match(await client.command('ER x\r\nNOOP'), /^331/);
    assert.match(await client.reply(), /^200/);
    clock.advance(1);
    assert.match(await client.reply(), /^421/);
    assert.equal(await client.reply(), 'closed');
  });

  it('end an idle session, but not one that transfers', async () => {
    site = await startSite({ clock });
    const [idle, busy] = [await loggedIn(), await loggedIn()];
    const data = await busy.data();
    assert.match(await busy.command(`STOR inbox/${name}.part`), /^150/);
    for (let time = 0; time < IDLE_TIME; time += DATA_IDLE_TIME / 2) {
      data.write('x');
      const size = time / (DATA_IDLE_TIME / 2) + 1;
      await until(() => site.has(`${name}.part`) && site.read(`${name}.part`).length === size);
      clock.advance(DATA_IDLE_TIME / 2);
    }
    assert.match(await idle.reply(), /^421/);
    data.end();
    assert.match(await busy.reply(), /^226/);
    assert.match(await busy.command('NOOP'), /^200/);
  });

  it('cut an upload that falls silent, with its part kept', async () => {
    site = await startSite({ clock });
    const client = await loggedIn();
    const data = await client.data();
    assert.match(await client.command(`STOR inbox/${name}.part`), /^150/);
    data.write('begun');
    await until(() => site.has(`${name}.part`) && site.read(`${name}.part`).length === 5);
    clock.advance(DATA_IDLE_TIME);
    assert.match(await client.reply(), /^426/);
    assert.equal(site.read(`${name}.part`).toString(), 'begun');
    data.destroy();
  });

  it('wait for a data connection a while and no longer', async () => {
    site = await startSite({ clock });
    const client = await loggedIn();
    await client.command('PASV');
    const answer = client.command(`STOR inbox/${name}.part`);
    await until(() => clock.waits(DATA_CONNECT_TIME) && !clock.waits(IDLE_TIME));
    clock.advance(DATA_CONNECT_TIME);
    assert.match(await answer, /^425/);
  });

  it('end a TLS handshake that does not come about', async () => {
    site = await startSite({ clock, tls: makeCertificate() });
    const client = await connected();
    assert.match(await client.command('AUTH TLS'), /^234/);
    await until(() => clock.waits(TLS_HANDSHAKE_TIME));
    clock.advance(TLS_HANDSHAKE_TIME);
    assert.equal(await client.reply(), 'closed');
    await until(() => site.receiver.connections() === 0);
  });
});
