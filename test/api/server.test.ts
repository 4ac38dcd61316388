import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { apiErrorSchema } from '../../src/api/contract/error.ts';
import {
  CONNECTIONS_MAX,
  REQUEST_BODY_SIZE_MAX,
  REQUEST_HEADER_SIZE_MAX,
} from '../../src/api/contract/limits.ts';
import { placedMarkerSchema } from '../../src/api/contract/markers.ts';
import { NAME_PATTERN } from '../../src/platform/name-rule.ts';
import { snapshotEntrySchema, snapshotListSchema } from '../../src/api/contract/snapshots.ts';
import { statusReportSchema } from '../../src/api/contract/status-schema.ts';
import { startApi, type Api } from '../../src/api/server.ts';
import type { ApiConfig } from '../../src/config/config.ts';
import { OperatorError } from '../../src/platform/errors.ts';
import {
  http,
  MARKER_ID,
  MemoryLog,
  PretendedDaemon,
  startSite,
  temporaryFolder,
  type HttpAnswer,
  type Site,
} from './fixture.ts';
import { REPORTS } from './reports.ts';

const errorOf = ({ body }: HttpAnswer): string => apiErrorSchema.parse(body).code;

for (const kind of ['socket', 'tcp'] as const) {
  describe(`the API over ${kind}`, () => {
    let site: Site;
    beforeEach(async () => {
      site = await startSite(kind);
    });
    afterEach(() => site.close());

    const get = (path: string): Promise<HttpAnswer> =>
      http(site.endpoint(), { path, token: site.endpoint().token });
    const remove = (path: string): Promise<HttpAnswer> =>
      http(site.endpoint(), { method: 'DELETE', path, token: site.endpoint().token });
    const post = (path: string, body: string, headers = {}): Promise<HttpAnswer> =>
      http(site.endpoint(), { method: 'POST', path, token: site.endpoint().token, body, headers });

    it('refuses every request without the token, whatever it asks for', async () => {
      const endpoint = site.endpoint();
      const { token } = endpoint;
      const wrong = [undefined, '', '0'.repeat(64), token.slice(1), `${token}0`, token.toUpperCase() + ' '];
      for (const path of ['/status', '/groups/oracle/markers', '/nothing']) {
        for (const method of ['GET', 'POST']) {
          for (const attempt of wrong) {
            const answer = await http(endpoint, {
              method,
              path,
              token: attempt,
              ...(method === 'POST' ? { body: '{}' } : {}),
            });
            assert.equal(answer.status, 401, `${method} ${path} ${String(attempt)}`);
            assert.equal(errorOf(answer), 'TOKEN_REFUSED');
          }
        }
      }
      assert.deepEqual(site.daemon.placed, []);
    });

    it('answers with the status of all groups, or of one', async () => {
      assert.deepEqual(statusReportSchema.parse((await get('/status')).body), REPORTS.healthy);
      const one = statusReportSchema.parse((await get('/groups/mail/status')).body);
      assert.deepEqual(one, { ...REPORTS.healthy, groups: [REPORTS.healthy.groups[1]] });
    });

    it('places markers, and calls a snapshot marker without a name by its UTC time', async () => {
      const before = Date.now();
      const named = await post('/groups/oracle/markers', '{"kind":"custom","name":"nightly-backup"}');
      const unnamed = await post('/groups/oracle/markers', '{"kind":"snapshot"}');
      assert.equal(named.status, 201);
      assert.equal(placedMarkerSchema.parse(named.body).name, 'nightly-backup');
      const { name } = placedMarkerSchema.parse(unnamed.body);
      assert.match(name, NAME_PATTERN);
      const time = name.replace(/^(....)(..)(..t..)(..)/, '$1-$2-$3:$4:');
      assert.ok(Date.parse(time) >= before && Date.parse(time) <= Date.now(), name);
      assert.deepEqual(site.daemon.placed, [
        { group: 'oracle', kind: 'custom', name: 'nightly-backup' },
        { group: 'oracle', kind: 'snapshot', name },
      ]);
    });

    it('deletes a snapshot by its id, and takes nothing else for one', async () => {
      assert.equal((await remove(`/groups/mail/snapshots/${MARKER_ID}`)).status, 200);
      assert.equal((await remove(`/groups/mail/snapshots/${'0'.repeat(32)}`)).status, 409);
      assert.equal((await remove('/groups/mail/snapshots/before-upgrade')).status, 400);
      assert.deepEqual(site.daemon.deleted, [MARKER_ID]);
    });

    it('makes a snapshot, with a name or without', async () => {
      for (const [body, name] of [
        ['{}', 'by-its-time'],
        ['{"name":"drill"}', 'drill'],
      ] as const) {
        const answer = await post('/groups/mail/snapshots', body);
        assert.deepEqual([answer.status, snapshotEntrySchema.parse(answer.body).name], [201, name]);
      }
      for (const body of ['{"name":"Drill"}', '{"named":"drill"}', '[]'])
        assert.equal((await post('/groups/mail/snapshots', body)).status, 400, body);
      assert.equal((await post('/groups/oracle/snapshots', '{}')).status, 409);
    });

    it('lists snapshots', async () => {
      const { snapshots } = snapshotListSchema.parse((await get('/groups/mail/snapshots')).body);
      assert.deepEqual(
        snapshots.map(({ name }) => name),
        ['before-upgrade', '20261121t014600.123z'],
      );
    });

    it('takes no name that a configuration could not have', async () => {
      for (const name of ['Oracle', 'oracle.', 'con', 'con.x', '-oracle', 'o'.repeat(64)]) {
        assert.equal((await get(`/groups/${name}/status`)).status, 400, name);
        const body = JSON.stringify({ kind: 'custom', name });
        assert.equal((await post('/groups/oracle/markers', body)).status, 400, name);
      }
      for (const name of ['o', 'oracle-2_b.c', 'console', 'o'.repeat(63)])
        assert.equal((await get(`/groups/${name}/status`)).status, 404, name);
    });

    it('knows no other group and no other address', async () => {
      for (const path of ['/groups/nobody/status', '/groups/nobody/snapshots']) {
        const answer = await get(path);
        assert.deepEqual([answer.status, errorOf(answer)], [404, 'GROUP_UNKNOWN'], path);
      }
      const marker = await post('/groups/nobody/markers', '{"kind":"snapshot"}');
      assert.deepEqual([marker.status, errorOf(marker)], [404, 'GROUP_UNKNOWN']);
      const nothing = await get('/');
      assert.deepEqual([nothing.status, errorOf(nothing)], [404, 'ADDRESS_UNKNOWN']);
    });

    it('refuses names that are paths, and markers that are none', async () => {
      for (const name of ['..', '..%2fx', '%00', 'a%20b', '-a', 'x'.repeat(64)]) {
        assert.equal((await get(`/groups/${name}/status`)).status, 400, name);
      }
      const bodies = [
        '{"kind":"custom","name":"../x"}',
        '{"kind":"custom"}',
        '{"kind":"snapshot","name":""}',
        '{"kind":"rollback","name":"x"}',
        '{"kind":"snapshot","run":"rm"}',
        '[]',
        '"x"',
        'null',
        '{',
        '',
      ];
      for (const body of bodies) {
        const answer = await post('/groups/oracle/markers', body);
        assert.deepEqual([answer.status, errorOf(answer)], [400, 'REQUEST_INVALID'], body);
      }
      assert.deepEqual(site.daemon.placed, []);
    });

    it('refuses a body, headers or a type of body that no legal request has', async () => {
      const long = await post('/groups/oracle/markers', ' '.repeat(REQUEST_BODY_SIZE_MAX + 1));
      assert.deepEqual([long.status, errorOf(long)], [413, 'REQUEST_INVALID']);
      const form = await post('/groups/oracle/markers', 'kind=snapshot', {
        'content-type': 'application/x-www-form-urlencoded',
      });
      assert.deepEqual([form.status, errorOf(form)], [415, 'REQUEST_INVALID']);
      const header = await http(site.endpoint(), {
        path: '/status',
        token: undefined,
        headers: { 'x-long': 'x'.repeat(REQUEST_HEADER_SIZE_MAX) },
      });
      assert.equal(header.status, 431);
    });

    it('passes on why the daemon declines, with the remedy', async () => {
      site.daemon.failure = new OperatorError('NOT_A_SOURCE', 'group mail is a destination here', {
        remedy: 'place markers at the source',
      });
      const answer = await post('/groups/oracle/markers', '{"kind":"snapshot"}');
      assert.equal(answer.status, 409);
      assert.deepEqual(answer.body, {
        code: 'NOT_A_SOURCE',
        message: 'group mail is a destination here',
        remedy: 'place markers at the source',
      });
    });

    it('keeps the details of our own mistakes to the log', async () => {
      site.daemon.failure = new TypeError('secret of the inside');
      const answer = await post('/groups/oracle/markers', '{"kind":"snapshot"}');
      assert.deepEqual([answer.status, errorOf(answer)], [500, 'INTERNAL']);
      assert.doesNotMatch(JSON.stringify(answer.body), /secret/);
      assert.ok(
        site.log.lines.some((line) => line.startsWith('error') && line.includes('secret of the inside')),
      );
    });

    it('survives what is no HTTP, and closes connections past its limit', async () => {
      const sockets = Array.from({ length: CONNECTIONS_MAX + 5 }, () => open(site));
      await Promise.all(sockets.map((socket) => once(socket, 'connect')));
      await Promise.all(sockets.slice(CONNECTIONS_MAX).map((socket) => once(socket.resume(), 'close')));
      for (const socket of sockets.slice(0, CONNECTIONS_MAX)) {
        const closed = once(socket.resume(), 'close');
        socket.write('\u0000\u0001no http\r\n\r\n');
        await closed;
      }
      assert.equal((await get('/status')).status, 200);
    });

    it('closes, and takes its endpoint file away, although a client keeps a request half sent', async () => {
      const idle = open(site);
      await once(idle, 'connect');
      idle.write('GET /status HTTP/1.1\r\n');
      const started = performance.now();
      await site.api.close();
      assert.ok(performance.now() - started < 30_000);
      assert.equal(existsSync(join(site.folder, 'api.json')), false);
    });
  });
}

function open(site: Site): Socket {
  const { address } = site.endpoint();
  const socket = 'socket' in address ? connect(address.socket) : connect(address.port, address.host);
  return socket.on('error', () => undefined);
}

describe('the API’s address', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = temporaryFolder();
    path = join(folder, 'api.sock');
  });
  const started: Api[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map((api) => api.close()));
    rmSync(folder, { recursive: true });
  });

  const start = async (address: ApiConfig): Promise<Api> => {
    const api = await startApi({
      address,
      stateFolder: folder,
      control: new PretendedDaemon(),
      log: new MemoryLog(),
    });
    started.push(api);
    return api;
  };
  const code = (expected: string) => (error: unknown) =>
    error instanceof OperatorError && error.code === expected;

  it('and its token are readable by the daemon’s user alone, even where files are made open to all', async () => {
    const mask = process.umask(0);
    try {
      const api = await start({ kind: 'socket', path });
      assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.equal(statSync(join(folder, 'api.json')).mode & 0o777, 0o600);
      // Only the socket and the endpoint file were made closed.
      writeFileSync(join(folder, 'other'), '');
      assert.equal(statSync(join(folder, 'other')).mode & 0o777, 0o666);
      await api.close();
      assert.equal(existsSync(path), false);
    } finally {
      process.umask(mask);
    }
  });

  it('has another token after every start', async () => {
    const tokens = new Set<string>();
    for (let count = 0; count < 3; count += 1) {
      const api = await start({ kind: 'socket', path });
      tokens.add(readFileSync(join(folder, 'api.json'), 'utf8'));
      await api.close();
    }
    assert.equal(tokens.size, 3);
  });

  it('is taken over from a daemon that was killed', async () => {
    const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('on'))`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'close');
    try {
      await once(child.stdout, 'data');
      await assert.rejects(start({ kind: 'socket', path }), code('API_ADDRESS_IN_USE'));
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
    assert.ok(existsSync(path));
    const api = await start({ kind: 'socket', path });
    await api.close();
  });

  it('is not taken from a program that listens there, nor from a file of another kind', async () => {
    const api = await start({ kind: 'socket', path });
    await assert.rejects(start({ kind: 'socket', path }), code('API_ADDRESS_IN_USE'));
    await api.close();
    writeFileSync(path, 'precious');
    await assert.rejects(start({ kind: 'socket', path }), code('API_ADDRESS_INVALID'));
    assert.equal(readFileSync(path, 'utf8'), 'precious');
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    await assert.rejects(start({ kind: 'tcp', host: '127.0.0.1', port }), code('API_ADDRESS_IN_USE'));
    other.close();
  });

  it('is refused when its path is longer than a socket’s can be', async () => {
    await assert.rejects(
      start({ kind: 'socket', path: join(folder, 'x'.repeat(120)) }),
      code('API_ADDRESS_INVALID'),
    );
  });

  it('stays in the endpoint file when another daemon has put its own there', async () => {
    const first = await start({ kind: 'socket', path });
    const second = await start({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    const content = readFileSync(join(folder, 'api.json'), 'utf8');
    await first.close();
    assert.equal(readFileSync(join(folder, 'api.json'), 'utf8'), content);
    await second.close();
  });
});
