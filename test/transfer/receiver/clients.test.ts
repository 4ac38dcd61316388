import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { Client } from 'basic-ftp';
import {
  MIB,
  PASSWORD,
  USER,
  makeCertificate,
  run,
  segmentFile,
  segmentName,
  startSite,
  until,
  type Certificate,
  type Site,
} from './fixture.ts';

const name = segmentName();
const file = segmentFile(3 * MIB + 12);

for (const secure of [false, true]) {
  describe(`real clients fill the receiver ${secure ? 'over explicit TLS' : 'in plain'}`, () => {
    let certificate: Certificate;
    let site: Site;
    let local: string;
    let path: string;

    before(() => {
      certificate = makeCertificate();
      local = mkdtempSync(join(tmpdir(), 'client-'));
      path = join(local, 'segment');
      writeFileSync(path, file);
      writeFileSync(join(local, 'ca.pem'), certificate.certificate);
    });
    after(() => rmSync(local, { recursive: true }));
    beforeEach(async () => {
      site = await startSite({ tls: secure ? certificate : undefined });
    });
    afterEach(() => site.stop());

    async function basicFtp(): Promise<Client> {
      const client = new Client(60_000);
      await client.access({
        host: '127.0.0.1',
        port: site.port,
        user: USER,
        password: PASSWORD,
        secure,
        secureOptions: { ca: certificate.certificate },
      });
      return client;
    }

    async function lftp(commands: string): Promise<string> {
      const settings = [
        `set ftp:ssl-force ${secure}`,
        `set ftp:ssl-allow ${secure}`,
        'set ftp:ssl-protect-data true',
        `set ssl:ca-file ${join(local, 'ca.pem')}`,
        'set net:max-retries 1',
        'set net:timeout 60',
      ];
      const script = `${settings.join('; ')}; open -u '${USER},${PASSWORD}' ftp://localhost:${site.port}; ${commands}`;
      return (await run('lftp', ['--norc', '-c', script])).stdout;
    }

    function curl(target: string, args: string[]): string[] {
      const tls = secure ? ['--ssl-reqd', '--cacert', join(local, 'ca.pem')] : [];
      return [
        '-sS',
        '--user',
        `${USER}:${PASSWORD}`,
        ...tls,
        ...args,
        `ftp://127.0.0.1:${site.port}/${target}`,
      ];
    }

    it('basic-ftp uploads a part and renames it; the destination is told once (I6)', async () => {
      const client = await basicFtp();
      await client.uploadFrom(path, `inbox/${name}.part`);
      assert.deepEqual(site.inbox(), [`${name}.part`]);
      assert.deepEqual(site.stored, []);
      await client.rename(`inbox/${name}.part`, `inbox/${name}`);
      assert.deepEqual(site.stored, [`${USER} ${name}`]);
      assert.deepEqual(site.inbox(), [name]);
      assert(site.read(name).equals(file));
      client.close();
    });

    it('basic-ftp resumes a part by APPE and by REST', async () => {
      const client = await basicFtp();
      const cut = 1_000_001;
      site.put(`${name}.part`, file.subarray(0, cut));
      assert.equal(await client.size(`inbox/${name}.part`), cut);
      await client.appendFrom(path, `inbox/${name}.part`, { localStart: cut });
      assert(site.read(`${name}.part`).equals(file));
      await client.send('REST 77');
      await client.uploadFrom(Readable.from([file.subarray(77, 5_000)]), `inbox/${name}.part`);
      assert(site.read(`${name}.part`).equals(file.subarray(0, 5_000)));
      client.close();
    });

    it('basic-ftp goes into the folders, lists them and reads the status', async () => {
      site.writeStatus('{"version":1}');
      site.put(name, 'whole');
      site.put(`${segmentName(11)}.part`, 'half');
      site.put('notes.txt', 'not shown');
      const client = await basicFtp();
      await client.ensureDir('/inbox');
      assert.equal(await client.pwd(), '/inbox');
      const listed = (await client.list()).map((entry) => [entry.name, entry.size, entry.isFile]);
      assert.deepEqual(listed.sort(), [
        [name, 5, true],
        [`${segmentName(11)}.part`, 4, true],
      ]);
      await client.cdup();
      assert.deepEqual((await client.list()).map((entry) => [entry.name, entry.isDirectory]).sort(), [
        ['inbox', true],
        ['outbox', true],
        ['outbox-status', true],
        ['status', true],
      ]);
      const chunks: Buffer[] = [];
      const sink = new Writable({
        write: (chunk: Buffer, _, done) => {
          chunks.push(chunk);
          done();
        },
      });
      await client.downloadTo(sink, '/status/destination.json');
      assert.equal(Buffer.concat(chunks).toString(), '{"version":1}');
      assert((await client.lastMod('/status/destination.json')).getTime() > Date.now() - 60_000);
      await client.remove(`/inbox/${segmentName(11)}.part`);
      assert(!site.has(`${segmentName(11)}.part`));
      client.close();
    });

    it('basic-ftp goes on with one connection after a refusal', async () => {
      const client = await basicFtp();
      await assert.rejects(client.uploadFrom(path, 'inbox/other.txt'), /553/);
      await assert.rejects(client.downloadTo(new Writable(), 'status/destination.json'), /550/);
      await client.uploadFrom(path, `inbox/${name}.part`);
      assert(site.read(`${name}.part`).equals(file));
      client.close();
    });

    it('lftp uploads a part, renames it and lists', async () => {
      const listing = await lftp(
        `cd inbox && put ${path} -o ${name}.part && mv ${name}.part ${name} && cls -1 && ls`,
      );
      assert(site.read(name).equals(file));
      assert.deepEqual(site.stored, [`${USER} ${name}`]);
      assert.match(listing, new RegExp(`^${name}$`, 'm'));
      assert.match(listing, new RegExp(`^-rw.* ${file.length} .*${name}$`, 'm'));
    });

    it('lftp resumes a part', async () => {
      site.put(`${name}.part`, file.subarray(0, 2 * MIB + 5));
      await lftp(`cd inbox && put -c ${path} -o ${name}.part`);
      assert(site.read(`${name}.part`).equals(file));
    });

    it('lftp reads the status and is refused a segment', async () => {
      site.writeStatus('{"version":1}');
      site.put(name, 'secret');
      assert.equal(await lftp('cat status/destination.json'), '{"version":1}');
      await assert.rejects(lftp(`cat inbox/${name}`), /550/);
    });

    it('curl uploads a part with its rename, reads the status and lists', async () => {
      site.writeStatus('{"version":1}');
      const rename = ['-Q', `-RNFR ${name}.part`, '-Q', `-RNTO ${name}`];
      await run('curl', curl(`inbox/${name}.part`, ['-T', path, ...rename]));
      assert(site.read(name).equals(file));
      assert.deepEqual(site.stored, [`${USER} ${name}`]);
      assert.equal((await run('curl', curl('status/destination.json', []))).stdout, '{"version":1}');
      assert.equal((await run('curl', curl('inbox/', ['-l']))).stdout, `${name}\r\n`.replace('\r', ''));
    });

    it('curl uploads under the final name, which appears only when the file is complete (I6)', async () => {
      await run('curl', curl(`inbox/${name}`, ['-T', path]));
      assert(site.read(name).equals(file));
      assert.deepEqual(site.inbox(), [name]);
      assert.deepEqual(site.stored, [`${USER} ${name}`]);
    });

    for (const target of [`${name}.part`, name]) {
      it(`a curl killed in the middle of ${target === name ? 'a segment' : 'a part'} leaves a part that basic-ftp resumes`, async () => {
        const child = spawn('curl', curl(`inbox/${target}`, ['-T', path, '--limit-rate', '300k']), {
          stdio: 'ignore',
        });
        await until(() => site.has(`${name}.part`) && site.read(`${name}.part`).length > 100_000);
        child.kill('SIGKILL');
        await until(() => site.receiver.connections() === 0);
        assert.deepEqual(site.inbox(), [`${name}.part`]);
        assert.deepEqual(site.stored, []);
        const client = await basicFtp();
        const size = await client.size(`inbox/${name}.part`);
        assert(size > 0 && size < file.length);
        await client.appendFrom(path, `inbox/${name}.part`, { localStart: size });
        await client.rename(`inbox/${name}.part`, `inbox/${name}`);
        assert(site.read(name).equals(readFileSync(path)));
        client.close();
      });
    }

    it('a wrong password is answered late and never logged', async () => {
      const started = Date.now();
      const client = new Client(60_000);
      const access = { host: '127.0.0.1', port: site.port, user: USER, password: 'not-the-password', secure };
      const secureOptions = { ca: certificate.certificate };
      await assert.rejects(client.access({ ...access, secureOptions }), /530/);
      assert(Date.now() - started >= 1_900);
      assert.match(site.log.join('\n'), /login refused/);
      assert.doesNotMatch(site.log.join('\n'), /not-the-password|staple/);
      client.close();
    });
  });
}
