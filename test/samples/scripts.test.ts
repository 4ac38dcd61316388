import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { MANIFEST } from './manifest.ts';

const SAMPLES = join(import.meta.dirname, '..', '..', 'samples');
const ALARM = join(SAMPLES, 'alarms', 'alarm.sh');
const NIGHTLY = join(SAMPLES, 'markers', 'nightly-backup.sh');
const WEEKLY = join(SAMPLES, 'markers', 'weekly-report.sh');
const FLUSH = join(SAMPLES, 'hosts', 'flush-then-snapshot.sh');

describe('The sample scripts', () => {
  let folder: string;
  let programs: string;

  beforeEach(() => {
    folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'blockferry-samples-')));
    programs = join(folder, 'bin');
    fs.mkdirSync(programs);
  });
  afterEach(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  /** A program on the PATH in front of the system's; it notes its arguments in `calls`. */
  function stub(name: string, body = ''): void {
    const script = `#!/bin/sh\necho "${name} $*" >>"${folder}/calls"\n${body}\n`;
    fs.writeFileSync(join(programs, name), script, { mode: 0o755 });
  }

  function environment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
    return {
      ...process.env,
      PATH: `${programs}${delimiter}${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
      ...extra,
    };
  }

  function run(script: string, argv: readonly string[], extra: Record<string, string> = {}) {
    return spawnSync('dash', [script, ...argv], {
      env: environment(extra),
      encoding: 'utf8',
      timeout: 200_000,
    });
  }

  function calls(): string[] {
    const path = join(folder, 'calls');
    return fs.existsSync(path) ? fs.readFileSync(path, 'utf8').trim().split('\n') : [];
  }

  function marker(lsn: number, extra: Record<string, string> = {}): Record<string, string> {
    fs.writeFileSync(join(folder, 'data.raw'), Buffer.alloc(3 << 20, lsn));
    fs.writeFileSync(join(folder, 'log 1.raw'), Buffer.alloc(512, 7));
    return {
      BLOCKFERRY_MARKER_ID: '0123456789abcdef0123456789abcdef',
      BLOCKFERRY_ATTEMPT: '1',
      BLOCKFERRY_MARKER: 'nightly',
      BLOCKFERRY_GROUP: 'oracle',
      BLOCKFERRY_LSN: String(lsn),
      BLOCKFERRY_TIME: '2026-01-02T03:04:05.678Z',
      BLOCKFERRY_VOLUMES: 'data log.1',
      BLOCKFERRY_VOLUME_DATA: join(folder, 'data.raw'),
      BLOCKFERRY_VOLUME_LOG_1: join(folder, 'log 1.raw'),
      ...extra,
    };
  }

  for (const [name, how] of Object.entries(MANIFEST)) {
    if (how !== 'run') continue;
    it(`${name} is read by sh and dash`, () => {
      for (const shell of ['sh', 'dash']) execFileSync(shell, ['-n', join(SAMPLES, name)]);
    });

    it(`${name} has nothing that shellcheck warns of`, () => {
      const result = spawnSync('shellcheck', ['--shell=sh', '--external-sources', join(SAMPLES, name)], {
        encoding: 'utf8',
      });
      assert.equal(result.error, undefined, 'shellcheck is needed (Debian package shellcheck)');
      assert.equal(result.status, 0, result.stdout);
    });
  }

  describe('nightly-backup.sh', () => {
    const backup = (): string => join(folder, 'backup');
    const copies = (): string[] => fs.readdirSync(join(backup(), 'oracle')).toSorted();
    const name = (lsn: number): string => `${String(lsn).padStart(16, '0')}_2026-01-02T03-04-05.678Z`;

    it('copies every volume under a name of its marker', () => {
      const result = run(NIGHTLY, [backup()], marker(42));
      assert.equal(result.status, 0, result.stderr);
      assert.deepEqual(copies(), [name(42)]);
      const copy = join(backup(), 'oracle', name(42));
      assert.deepEqual(fs.readdirSync(copy).toSorted(), ['data.raw', 'log.1.raw']);
      assert.deepEqual(fs.readFileSync(join(copy, 'data.raw')), Buffer.alloc(3 << 20, 42));
      assert.deepEqual(fs.readFileSync(join(copy, 'log.1.raw')), Buffer.alloc(512, 7));
    });

    it('may run again for one marker, and starts over what was cut (I9)', () => {
      const part = join(backup(), 'oracle', `${name(42)}.part`);
      fs.mkdirSync(part, { recursive: true });
      fs.writeFileSync(join(part, 'rest'), 'x');
      assert.equal(run(NIGHTLY, [backup()], marker(42)).status, 0);
      assert.deepEqual(copies(), [name(42)]);
      const again = run(NIGHTLY, [backup()], marker(42, { BLOCKFERRY_ATTEMPT: '2' }));
      assert.equal(again.status, 0);
      assert.match(again.stdout, /is there already \(attempt 2\)/);
    });

    it('fails, and leaves no copy under its name, when a volume cannot be read', () => {
      const result = run(NIGHTLY, [backup()], marker(42, { BLOCKFERRY_VOLUME_LOG_1: join(folder, 'none') }));
      assert.notEqual(result.status, 0);
      assert.deepEqual(copies(), [`${name(42)}.part`]);
    });

    it('keeps the newest seven, by their place in the order of writes, and nothing of others', () => {
      fs.mkdirSync(join(backup(), 'oracle'), { recursive: true });
      fs.writeFileSync(join(backup(), 'oracle', 'notes'), '');
      for (const lsn of [5, 6, 7, 8, 9, 10, 100, 1000]) {
        assert.equal(run(NIGHTLY, [backup()], marker(lsn)).status, 0);
      }
      assert.deepEqual(copies(), [...[6, 7, 8, 9, 10, 100, 1000].map(name), 'notes']);
    });
  });

  describe('alarm.sh', () => {
    const alarm = (extra: Record<string, string> = {}): Record<string, string> => ({
      BLOCKFERRY_ALARM: 'raise',
      BLOCKFERRY_CODE: 'link-down',
      BLOCKFERRY_SEVERITY: 'warning',
      BLOCKFERRY_GROUP: 'oracle',
      BLOCKFERRY_DESTINATION: 'bern',
      BLOCKFERRY_MESSAGE: '--the server at $(touch forged) does not answer',
      BLOCKFERRY_SINCE: '2026-01-02T03:04:05.678Z',
      ...extra,
    });

    it('tells syslog, and by mail whom it is told to tell', () => {
      stub('logger');
      stub('mail', `cat >"${folder}/body"`);
      const result = run(ALARM, ['storage@bern.example'], alarm());
      assert.equal(result.status, 0, result.stderr);
      const subject = 'warning: oracle to bern: link-down';
      assert.deepEqual(calls(), [
        `logger -t blockferry-alarm -p daemon.warning -- ${subject}: --the server at $(touch forged) does not answer (since 2026-01-02T03:04:05.678Z)`,
        `mail -s blockferry: ${subject} storage@bern.example`,
      ]);
      assert.match(
        fs.readFileSync(join(folder, 'body'), 'utf8'),
        /^--the server at \$\(touch forged\) does not answer\n\nSince 2026-01-02T/,
      );
    });

    it('says what is over, at its own severity, and of a group alone', () => {
      stub('logger');
      const over = { BLOCKFERRY_ALARM: 'clear', BLOCKFERRY_DESTINATION: '', BLOCKFERRY_SEVERITY: 'error' };
      assert.equal(run(ALARM, [], alarm(over)).status, 0);
      assert.match(calls()[0] ?? '', /-p daemon\.err -- over: oracle: link-down: /);
      assert.equal(calls().length, 1);
    });

    it('fails when what it tells fails, which Blockferry logs', () => {
      stub('logger', 'exit 3');
      assert.notEqual(run(ALARM, [], alarm()).status, 0);
    });
  });

  describe('weekly-report.sh', () => {
    it('writes the marker, the state and the recovery points into one file a day', () => {
      stub('blockferry', 'echo "answer to $*"');
      for (const attempt of ['1', '2']) {
        const result = run(WEEKLY, [join(folder, 'reports')], marker(42, { BLOCKFERRY_ATTEMPT: attempt }));
        assert.equal(result.status, 0, result.stderr);
      }
      assert.deepEqual(fs.readdirSync(join(folder, 'reports')), ['oracle-2026-01-02.txt']);
      const report = fs.readFileSync(join(folder, 'reports', 'oracle-2026-01-02.txt'), 'utf8');
      assert.match(
        report,
        /^Group oracle, marker nightly\nPlaced at the source: 2026-01-02T03:04:05.678Z \(LSN 42\)\n/,
      );
      assert.match(report, /\(attempt 2\)/);
      assert.match(report, /\nanswer to status oracle\n/);
      assert.match(report, /\nanswer to snapshot list oracle\n/);
    });

    it('is written when the daemon does not answer, and says that', () => {
      stub('blockferry', 'exit 3');
      assert.equal(run(WEEKLY, [folder], marker(42)).status, 0);
      assert.match(
        fs.readFileSync(join(folder, 'oracle-2026-01-02.txt'), 'utf8'),
        /\(no status: exit code 3\)/,
      );
    });
  });

  describe('flush-then-snapshot.sh', () => {
    const MOUNTS = ['/srv/a b', '/srv/c'];

    it('flushes and freezes every file system, places the marker, and thaws them', () => {
      for (const name of ['sync', 'fsfreeze', 'blockferry']) stub(name);
      const result = run(FLUSH, ['oracle', ...MOUNTS]);
      assert.equal(result.status, 0, result.stderr);
      assert.deepEqual(calls(), [
        'sync --file-system /srv/a b',
        'sync --file-system /srv/c',
        'fsfreeze --freeze /srv/a b',
        'fsfreeze --freeze /srv/c',
        'blockferry marker snapshot oracle',
        'fsfreeze --unfreeze /srv/a b',
        'fsfreeze --unfreeze /srv/c',
      ]);
    });

    it('thaws when the marker cannot be placed, and passes its exit code on', () => {
      for (const name of ['sync', 'fsfreeze']) stub(name);
      stub('blockferry', 'exit 6');
      assert.equal(run(FLUSH, ['oracle', ...MOUNTS]).status, 6);
      assert.deepEqual(calls().slice(-2), ['fsfreeze --unfreeze /srv/a b', 'fsfreeze --unfreeze /srv/c']);
    });

    it('thaws what it froze, and no more, when a file system cannot be frozen', () => {
      for (const name of ['sync', 'blockferry']) stub(name);
      stub('fsfreeze', 'case "$*" in "--freeze /srv/c") exit 1;; esac');
      assert.equal(run(FLUSH, ['oracle', ...MOUNTS]).status, 1);
      assert.deepEqual(
        calls().filter((call) => /unfreeze|blockferry/.test(call)),
        ['fsfreeze --unfreeze /srv/a b'],
      );
    });

    for (const [signal, code] of [
      ['SIGTERM', 143],
      ['SIGINT', 130],
      ['SIGHUP', 129],
    ] as const) {
      it(`thaws at ${signal}`, async () => {
        for (const name of ['sync', 'fsfreeze']) stub(name);
        stub('blockferry', `while [ ! -e "${folder}/signalled" ]; do sleep 0.1; done`);
        const child = spawn('dash', [FLUSH, 'oracle', ...MOUNTS], { env: environment(), stdio: 'ignore' });
        const ended = once(child, 'exit');
        while (!calls().some((call) => call.startsWith('blockferry'))) {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        child.kill(signal);
        // A shell looks at its traps when what it waits for has ended.
        fs.writeFileSync(join(folder, 'signalled'), '');
        assert.deepEqual(await ended, [code, null]);
        assert.equal(calls().filter((call) => call.includes('--unfreeze')).length, 2);
      });
    }

    it('thaws when the daemon does not answer in time', () => {
      for (const name of ['sync', 'fsfreeze']) stub(name);
      stub('blockferry', 'exec sleep 60');
      const impatient = join(folder, 'impatient.sh');
      const text = fs.readFileSync(FLUSH, 'utf8');
      assert.match(text, /^time_limit=30 /m);
      fs.writeFileSync(impatient, text.replace(/^time_limit=30 /m, 'time_limit=1 '));
      assert.equal(run(impatient, ['oracle', ...MOUNTS]).status, 124);
      assert.equal(calls().filter((call) => call.includes('--unfreeze')).length, 2);
    });

    it('refuses the root file system and a missing argument before anything is frozen', () => {
      for (const name of ['sync', 'fsfreeze', 'blockferry']) stub(name);
      assert.equal(run(FLUSH, ['oracle']).status, 2);
      assert.equal(run(FLUSH, ['oracle', '/srv/..']).status, 2);
      assert.deepEqual(calls(), []);
    });

    it('really stands still while the marker is placed, and goes on afterwards', () => {
      const image = join(folder, 'disk.img');
      const mountPoint = join(folder, 'mounted');
      fs.writeFileSync(image, '');
      fs.truncateSync(image, 16 << 20);
      fs.mkdirSync(mountPoint);
      execFileSync('mkfs.ext4', ['-q', image], { env: environment(), stdio: 'pipe' });
      execFileSync('mount', ['-o', 'loop', image, mountPoint], { env: environment(), stdio: 'pipe' });
      try {
        // A write to a frozen file system waits for the thaw.
        stub('blockferry', `(echo late >"${mountPoint}/file") & sleep 0.5; test ! -s "${mountPoint}/file"`);
        const result = run(FLUSH, ['oracle', mountPoint]);
        assert.equal(result.status, 0, result.stderr);
        const deadline = Date.now() + 5000;
        const written = (): boolean =>
          fs.existsSync(join(mountPoint, 'file')) &&
          fs.readFileSync(join(mountPoint, 'file'), 'utf8') === 'late\n';
        while (!written()) assert.ok(Date.now() < deadline, 'the write never got through');
      } finally {
        execFileSync('umount', [mountPoint], { env: environment(), stdio: 'pipe' });
      }
    });
  });

  it('the unit is one that systemd takes without a warning', () => {
    const text = fs.readFileSync(join(SAMPLES, 'service', 'blockferry.service'), 'utf8');
    assert.match(text, /^ExecStart=\/usr\/local\/bin\/blockferry serve --config /m);
    stub('blockferry');
    const unit = join(folder, 'blockferry.service');
    fs.writeFileSync(unit, text.replace('/usr/local/bin/blockferry', join(programs, 'blockferry')));
    const result = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' });
    assert.equal(result.error, undefined, 'systemd-analyze is needed (Debian package systemd)');
    assert.equal(result.status, 0, result.stderr);
    assert.equal(result.stderr, '');
  });
});
