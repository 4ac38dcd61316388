import assert from 'node:assert/strict';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { OperatorError } from '../../../src/platform/errors.ts';
import {
  PASSWORD,
  USER,
  content,
  makeCertificate,
  run,
  segmentName,
  startSite,
  until,
  type Certificate,
  type Site,
} from './fixture.ts';
import { RawClient, openData, passivePort } from './raw-client.ts';

const name = segmentName();

describe('the receiver with a certificate', () => {
  let certificate: Certificate;
  let site: Site;
  let client: RawClient;

  before(() => {
    certificate = makeCertificate();
  });
  beforeEach(async () => {
    site = await startSite({ tls: certificate });
    client = await RawClient.connect(site);
  });
  afterEach(async () => {
    await client.close();
    await site.stop();
  });

  const upgrade = async (): Promise<TLSSocket> => {
    client.socket.removeAllListeners('data');
    const secured = connectTls({ socket: client.socket, ca: certificate.certificate, host: 'localhost' });
    client.listen(secured);
    await new Promise((resolve, reject) => secured.once('secureConnect', resolve).once('error', reject));
    return secured;
  };

  async function logInOverTls(): Promise<void> {
    assert.match(await client.command('AUTH TLS'), /^234/);
    await upgrade();
    assert.match(await client.command(`USER ${USER}`), /^331/);
    assert.match(await client.command(`PASS ${PASSWORD}`), /^230/);
  }

  it('takes no user in plain and says what to do', async () => {
    assert.match(await client.command(`USER ${USER}`), /^530 .*AUTH TLS/);
    assert.match(await client.command(`PASS ${PASSWORD}`), /^503/);
    assert.match(await client.command('PBSZ 0'), /^503/);
    assert.match(await client.command('PROT P'), /^503/);
    assert.match(await client.command('AUTH SSL'), /^504/);
  });

  it('takes files over protected data connections alone', async () => {
    await logInOverTls();
    await client.command('PASV');
    assert.match(await client.command(`STOR inbox/${name}.part`), /^521 .*PROT P/);
    assert.match(await client.command('PROT P'), /^503/);
    assert.match(await client.command('PBSZ 0'), /^200/);
    assert.match(await client.command('PROT C'), /^534/);
    assert.match(await client.command('PROT S'), /^536/);
    assert.match(await client.command('PROT P'), /^200/);
    assert.match(await client.command('AUTH TLS'), /^503/);
    const data = await client.data();
    assert.match(await client.command(`STOR inbox/${name}.part`), /^150/);
    const secured = connectTls({ socket: data, ca: certificate.certificate, host: 'localhost' });
    const bytes = content(300_000);
    secured.end(bytes);
    assert.match(await client.reply(), /^226/);
    assert(site.read(`${name}.part`).equals(bytes));
  });

  it('takes plain bytes for no file where TLS is to be', async () => {
    await logInOverTls();
    await client.command('PBSZ 0');
    await client.command('PROT P');
    const data = await client.data();
    assert.match(await client.command(`STOR inbox/${name}.part`), /^150/);
    data.end('plain text, not TLS');
    assert.match(await client.reply(), /^425/);
    assert.equal(site.read(`${name}.part`).length, 0);
    assert.match(await client.command('NOOP'), /^200/);
  });

  it('drops what was said in plain behind AUTH TLS (injection)', async () => {
    client.write(`AUTH TLS\r\nUSER ${USER}\r\nPASS ${PASSWORD}\r\n`);
    assert.match(await client.reply(), /^234/);
    await upgrade();
    assert.match(await client.command('PWD'), /^530/);
    assert.match(await client.command(`PASS ${PASSWORD}`), /^503/);
  });

  it('forgets a user that was named in plain', async () => {
    await client.close();
    await site.stop();
    site = await startSite({ tls: certificate, allowPlain: true });
    client = await RawClient.connect(site);
    assert.match(await client.command(`USER ${USER}`), /^331/);
    assert.match(await client.command('AUTH TLS'), /^234/);
    await upgrade();
    assert.match(await client.command(`PASS ${PASSWORD}`), /^503/);
  });

  it('takes plain logins and data when it is allowed to', async () => {
    await client.close();
    await site.stop();
    site = await startSite({ tls: certificate, allowPlain: true });
    client = await RawClient.loggedIn(site);
    assert.match(await client.upload(`STOR inbox/${name}.part`, content(10)), /^226/);
    assert.match(await client.command('AUTH TLS'), /^503/);
  });

  it('ends a connection that says AUTH TLS and then anything but TLS', async () => {
    assert.match(await client.command('AUTH TLS'), /^234/);
    client.write('USER oracle\r\n');
    await until(() => site.receiver.connections() === 0);
  });

  it('refuses TLS 1.1', async () => {
    assert.match(await client.command('AUTH TLS'), /^234/);
    client.socket.removeAllListeners('data');
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const secured = connectTls({ socket: client.socket, rejectUnauthorized: false, ...old });
    const error = await new Promise<Error>((resolve) => secured.once('error', resolve));
    assert.match(error.message, /version|alert/i);
    await until(() => site.receiver.connections() === 0);
  });

  it('closes at once while a data connection owes its handshake', async () => {
    await logInOverTls();
    await client.command('PBSZ 0');
    await client.command('PROT P');
    const data = await openData(passivePort(await client.command('PASV')));
    assert.match(await client.command('NLST inbox'), /^150/);
    const started = Date.now();
    await site.receiver.close();
    assert(Date.now() - started < 8_000);
    data.destroy();
  });

  it('never logs a password', async () => {
    await logInOverTls();
    assert.match(site.log.join('\n'), /info receiver: login .*TLSv1/);
    assert(!site.log.join('\n').includes('staple'));
  });

  it('serves curl with TLS 1.2 and with TLS 1.3', async () => {
    site.writeStatus('{}');
    for (const version of ['1.2', '1.3']) {
      const tls = ['--ssl-reqd', '-k', `--tlsv${version}`, '--tls-max', version];
      const target = `ftp://localhost:${site.port}/status/destination.json`;
      assert.equal(
        (await run('curl', ['-sS', ...tls, '--user', `${USER}:${PASSWORD}`, target])).stdout,
        '{}',
      );
    }
  });
});

describe('the receiver refuses to start', () => {
  const refusal = (code: string, remedy: RegExp) => (error: unknown) =>
    error instanceof OperatorError && error.code === code && remedy.test(error.remedy);

  it('on anything but loopback without TLS, unless plain is allowed', async () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
      await assert.rejects(startSite({ host }), refusal('RECEIVER_PLAIN', /allowPlain/));
    }
    const site = await startSite({ host: '0.0.0.0', allowPlain: true });
    await site.stop();
  });

  it('with a certificate that is none', async () => {
    const tls = { certificate: 'x', key: 'y' };
    await assert.rejects(startSite({ tls }), refusal('RECEIVER_CERTIFICATE', /PEM/));
  });

  it('with a public address that PASV cannot name', async () => {
    await assert.rejects(
      startSite({ publicAddress: 'ftp.example.com' }),
      refusal('RECEIVER_PUBLIC_ADDRESS', /IPv4/),
    );
  });

  it('on a port that is taken', async () => {
    const site = await startSite();
    await assert.rejects(startSite({ port: site.port }), refusal('RECEIVER_LISTEN', /port/));
    await site.stop();
  });
});

describe('the receiver names the address of its passive ports', () => {
  it('as the public one that it was given', async () => {
    const site = await startSite({ publicAddress: '203.0.113.9' });
    const client = await RawClient.loggedIn(site);
    assert.match(await client.command('PASV'), /^227 .*\(203,0,113,9,/);
    await client.close();
    await site.stop();
  });

  it('over IPv6 by EPSV alone', async () => {
    const site = await startSite({ host: '::1' });
    const client = await RawClient.loggedIn(site, { host: '::1' });
    assert.match(await client.command('PASV'), /^425/);
    assert.match(await client.command('EPSV 1'), /^522 .*\(2\)/);
    const port = Number(/\|\|\|(\d+)\|/.exec(await client.command('EPSV'))?.[1]);
    const data = await openData(port, { host: '::1' });
    assert.match(await client.command(`STOR inbox/${name}.part`), /^150/);
    data.end('over IPv6');
    assert.match(await client.reply(), /^226/);
    assert.match(await client.command('EPSV ALL'), /^200/);
    assert.match(await client.command('PASV'), /^503/);
    await client.close();
    await site.stop();
  });

  it('as the IPv4 address of a dual-stack socket', async () => {
    const site = await startSite({ host: '::', allowPlain: true });
    const client = await RawClient.loggedIn(site);
    assert.match(await client.upload(`STOR inbox/${name}.part`, content(10)), /^226/);
    await client.close();
    await site.stop();
  });
});
