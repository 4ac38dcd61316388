/** Requests to the daemon's API: addresses and bodies, with the right token. */
import { OperatorError } from '../../../src/platform/errors.ts';
import assert from 'node:assert/strict';
import { apiErrorSchema } from '../../../src/api/contract/error.ts';
import { REQUEST_BODY_SIZE_MAX } from '../../../src/api/contract/limits.ts';
import { NAME_PATTERN } from '../../../src/platform/name-rule.ts';
import type { DaemonControl } from '../../../src/api/control.ts';
import { addRehearsalRoutes } from '../../../src/api/rehearsal-routes.ts';
import { addRoutes } from '../../../src/api/routes.ts';
import { createApp } from '../../../src/api/server.ts';
import { lsn } from '../../../src/journal/ids.ts';
import type { FuzzTarget, MutationTools } from '../engine/target.ts';
import { MIB } from './expect.ts';
import { mutateJson } from './json-mutation.ts';
import { GROUP, TIME } from './samples.ts';

const TOKEN = '0'.repeat(64);
const TYPES = ['application/json', 'text/plain', 'application/x-www-form-urlencoded', ''];
const METHODS = ['POST', 'GET', 'PUT', 'DELETE'] as const;

/** An input: method, content type, the address's length, the address, and the body. */
export async function apiTarget(): Promise<FuzzTarget> {
  const errors: string[] = [];
  const none = (): void => undefined;
  const app = createApp(TOKEN, {
    debug: none,
    info: none,
    warn: none,
    error: (message, fields) => errors.push(`${message} ${JSON.stringify(fields)}`),
  });
  addRoutes(app, control());
  addRehearsalRoutes(app, control());
  await app.ready();
  return {
    seeds: seeds(),
    dictionary: [
      '/groups/',
      '/markers',
      '/mounts',
      '/snapshots',
      '/status',
      '%2e',
      '%00',
      '"__proto__":',
      '"kind":"custom"',
    ].map((word) => Buffer.from(word)),
    lengthMax: 20 * 1024,
    memory: (input) => 4 * MIB + 512 * input.length,
    mutate: mutateBody,
    close: () => app.close(),
    async run(input) {
      errors.length = 0;
      const [method = 0, type = 0, length = 0] = input;
      const payload = input.subarray(3 + length);
      const url = `/${input.toString('latin1', 3, 3 + length).replaceAll(/[^!-~]/g, '')}`;
      // A client that is none of Node's may say anything; this one asks for an address.
      if (!URL.canParse(url, 'http://localhost')) return;
      const response = await app.inject({
        method: METHODS[method % METHODS.length] ?? 'POST',
        url,
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': TYPES[type % TYPES.length] ?? '' },
        payload,
      });
      assert.deepEqual(errors, []);
      assert.ok(response.statusCode >= 200 && response.statusCode < 500, `status ${response.statusCode}`);
      if (response.statusCode >= 400) assert.notEqual(apiErrorSchema.parse(response.json()).message, '');
      if (payload.length > REQUEST_BODY_SIZE_MAX) assert.notEqual(response.statusCode, 201);
    },
  };
}

function seeds(): Buffer[] {
  const ask = (method: number, url: string, body = ''): Buffer =>
    Buffer.concat([Buffer.from([method, 0, url.length]), Buffer.from(url + body)]);
  return [
    ask(0, 'groups/oracle/markers', '{"kind":"snapshot"}'),
    ask(0, 'groups/oracle/markers', '{"kind":"snapshot","name":"noon"}'),
    ask(0, 'groups/oracle/markers', '{"kind":"custom","name":"nightly"}'),
    ask(0, 'groups/oracle/destinations/bern/test'),
    ask(0, 'groups/oracle/initialize'),
    ask(0, 'groups/oracle/source-changes/accept', '{"upTo":7}'),
    ask(0, 'groups/oracle/volumes/data/size', '{"size":1048576,"dryRun":true}'),
    ask(0, 'groups/oracle/mounts', '{"point":{"kind":"snapshot","called":"noon"}}'),
    ask(0, 'groups/oracle/mounts', '{"point":{"kind":"lsn","lsn":7}}'),
    ask(3, 'groups/oracle/mounts/noon'),
    ask(0, 'groups/oracle/rehearsals', '{"point":{"kind":"lsn","lsn":7}}'),
    ask(1, 'groups/oracle/rehearsals/7'),
    ask(0, 'reload'),
    ask(3, `groups/oracle/snapshots/${GROUP.id}`),
    ...[
      'status',
      'groups/oracle/status',
      'groups/oracle/snapshots',
      'groups/oracle/points',
      'groups/%2e%2e/status',
      'nowhere',
    ].map((url) => ask(1, url)),
  ];
}

function mutateBody(input: Buffer, tools: MutationTools): Buffer {
  return mutateJson(input, Math.min(3 + (input[2] ?? 0), input.length), tools) ?? Buffer.from(input);
}

/** Only legal names reach the daemon. */
function control(): DaemonControl {
  return {
    status: () => ({ version: '0.1.0', startedAt: TIME, now: TIME, groups: [] }),
    placeMarker(group, { kind, name }) {
      assert.match(group, NAME_PATTERN);
      assert.match(name, NAME_PATTERN);
      assert.ok(['snapshot', 'custom'].includes(kind));
      return Promise.resolve({ id: GROUP.id, lsn: lsn(1), time: TIME, name });
    },
    reload: () => [],
    verify(group, { full }) {
      assert.match(group, NAME_PATTERN);
      assert.equal(typeof full, 'boolean');
      return Promise.resolve(7);
    },
    verification(group) {
      assert.match(group, NAME_PATTERN);
      return Promise.resolve({ state: 'comparing', waitsFor: [] });
    },
    acceptSourceChanges(group, { upTo }) {
      assert.match(group, NAME_PATTERN);
      assert.ok(Number.isSafeInteger(upTo) && upTo >= 0);
      return Promise.resolve({ accepted: [] });
    },
    testLink(group, destination) {
      assert.match(group, NAME_PATTERN);
      assert.match(destination, NAME_PATTERN);
      return Promise.resolve({ server: 'ftp://here', steps: [] });
    },
    exportSeed(group, { folder }) {
      assert.match(group, NAME_PATTERN);
      const done = { files: 0, bytes: 0, doneBytes: 0, totalBytes: 512 };
      return Promise.resolve({ id: GROUP.id, state: 'beginning', folder, ...done });
    },
    importSeed(group, { folder }) {
      assert.match(group, NAME_PATTERN);
      assert.equal(typeof folder, 'string');
      return Promise.resolve({ state: 'none', files: 0 });
    },
    cancelSeed(group) {
      assert.match(group, NAME_PATTERN);
      return Promise.resolve();
    },
    initialize(group) {
      assert.match(group, NAME_PATTERN);
      return Promise.resolve({ bytes: 512 });
    },
    resize(group, volume, { size = 512, dryRun }) {
      for (const name of [group, volume]) assert.match(name, NAME_PATTERN);
      assert.ok(Number.isSafeInteger(size) && size > 0 && typeof dryRun === 'boolean');
      return Promise.resolve({ volume, path: '/v', kind: 'image file', from: 512, size });
    },
    snapshots(group) {
      assert.match(group, NAME_PATTERN);
      return Promise.resolve([]);
    },
    points(group) {
      assert.match(group, NAME_PATTERN);
      return Promise.resolve({
        applied: { lsn: 0, time: 0, consistent: false },
        snapshots: [],
        windows: [],
        markers: [],
      });
    },
    retention(group) {
      assert.match(group, NAME_PATTERN);
      return Promise.resolve({ verdicts: [] });
    },
    createSnapshot(group, name) {
      assert.match(group, NAME_PATTERN);
      assert.match(name ?? 'none', NAME_PATTERN);
      return Promise.resolve({ id: GROUP.id, name: name ?? 'none', lsn: 0, time: 0, kind: 'reflink' });
    },
    mount(group, request) {
      assert.match(group, NAME_PATTERN);
      assert.ok(['snapshot', 'lsn', 'time'].includes(request.point.kind));
      const snapshot = { id: GROUP.id, name: 'noon', lsn: 1, time: TIME, kind: 'reflink' } as const;
      const address = { kind: 'socket', path: '/views.sock' } as const;
      return Promise.resolve({
        name: 'noon',
        snapshot,
        lsn: 1,
        time: TIME,
        writable: false,
        address,
        exports: [],
        mountedAt: TIME,
      });
    },
    unmount(group, name) {
      assert.match(group, NAME_PATTERN);
      assert.match(name, /^[a-z0-9._-]{1,80}$/);
      return Promise.resolve({ name, hungUp: 0 });
    },
    rehearse(group, { point }) {
      assert.match(group, NAME_PATTERN);
      assert.ok(['snapshot', 'lsn', 'time', undefined].includes(point?.kind));
      return Promise.resolve(7);
    },
    rehearsal(group) {
      assert.match(group, NAME_PATTERN);
      return { state: 'under-way' };
    },
    failover(group, { dryRun }) {
      assert.match(group, NAME_PATTERN);
      assert.equal(typeof dryRun, 'boolean');
      return Promise.reject(new OperatorError('FAILOVER_REFUSED', 'it is the source'));
    },
    switchover(group, dryRun) {
      assert.match(group, NAME_PATTERN);
      assert.equal(typeof dryRun, 'boolean');
      return Promise.resolve({ to: 'bern', hosts: 3, lagBytes: 4096, epoch: 2 });
    },
    rejoin(group, dryRun) {
      assert.match(group, NAME_PATTERN);
      assert.equal(typeof dryRun, 'boolean');
      return Promise.reject(new OperatorError('NOT_DEPOSED', 'it serves'));
    },
    rollback(group, { point, dryRun }) {
      assert.match(group, NAME_PATTERN);
      assert.equal(typeof dryRun, 'boolean');
      assert.ok(point.kind !== 'lsn' || Number.isSafeInteger(point.lsn));
      return Promise.reject(new OperatorError('NOT_SERVING', 'it follows'));
    },
    deleteSnapshot(group, id) {
      assert.match(group, NAME_PATTERN);
      assert.match(id, /^[0-9a-f]{32}$/);
      return Promise.resolve();
    },
  };
}
