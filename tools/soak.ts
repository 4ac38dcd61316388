/**
 * `npm run soak`: a 4 GiB group of two volumes over a real vsftpd, 200,000 random writes of 512 B to 256 KiB with flushes
 * from four connections at once, five snapshot markers under load; then volumes and snapshots are compared, and the
 * daemons' peak memory is told. `--writes N`, `--size MIB` (of each volume) for a shorter run.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nodeFiles } from '../src/platform/node/files.ts';
import { openSnapshotStore } from '../src/recovery/open-store.ts';
import { FtpServer } from '../test/servers/ftp-server.ts';
import { pause, SitePair } from '../test/support/site-pair.ts';
import { LoggedHost } from '../test/support/logged-load.ts';
import { silentLog } from '../test/support/silent-log.ts';
import { conclude, sameFiles, verdict } from './verdicts.ts';

const MIB = 1024 * 1024;
const { values } = parseArgs({
  options: { writes: { type: 'string', default: '200000' }, size: { type: 'string', default: '2048' } },
});
const writes = Number(values.writes);
const size = Number(values.size) * MIB;
const MARKERS = 5;
const CONNECTIONS = 4;

const folder = mkdtempSync(join(tmpdir(), 'blockferry-soak-'));

const server = await FtpServer.start('vsftpd', { tls: 'none' });
// The server's folder is the destination's group folder.
mkdirSync(join(folder, 'destination/buffer'), { recursive: true });
symlinkSync(server.groupFolder, join(folder, 'destination/buffer/g'));
process.env.SOAK_PASSWORD = server.password;
const pair = new SitePair({
  folder,
  volumes: { a: size, b: size },
  quota: '12 GiB',
  segment: '{ size: 8 MiB, age: 1 s }',
  transport: `        ftp: { host: 127.0.0.1, port: ${server.port}, user: ${server.user}, password-env: SOAK_PASSWORD, path: '${server.groupPath}', tls: none }`,
});
try {
  await pair.start('destination');
  await pair.start('source');
  await pair.inStep();
  const hosts = Array.from({ length: CONNECTIONS }, (_, i) => ({
    volume: i % 2 === 0 ? 'a' : 'b',
    host: new LoggedHost(i + 1, { start: (Math.floor(i / 2) * size) / 2, length: size / 2 }, 256 * 1024),
  }));
  const begun = performance.now();
  const state = { running: true };
  const load = Promise.all(
    hosts.map(({ volume, host }) => host.run({ path: pair.socket }, volume, writes / CONNECTIONS, 50)),
  ).finally(() => (state.running = false));
  const done = (): number => hosts.reduce((sum, { host }) => sum + host.writes, 0);
  const marks: { id: string; lsn: number; windows: ReturnType<LoggedHost['window']>[] }[] = [];
  let worstLag = 0;
  while (state.running) {
    await pause(250);
    worstLag = Math.max(worstLag, (await pair.source()).streams[0]?.lagSeconds ?? 0);
    if (marks.length < MARKERS && done() >= ((marks.length + 1) * writes) / (MARKERS + 1)) {
      const before = hosts.map(({ host }) => host.answered);
      const { id, lsn } = await pair.marker('snapshot', `soak-${marks.length + 1}`);
      marks.push({ id, lsn, windows: hosts.map(({ host }, i) => host.window(before[i] ?? 0)) });
    }
  }
  verdict(
    (await load).every(Boolean),
    `${done()} writes, ${CONNECTIONS} connections, in ${seconds(begun)} s`,
  );
  await pair.inStep(1_200_000);
  process.stdout.write(`in step ${seconds(begun)} s after the start; lag at most ${worstLag.toFixed(1)} s\n`);
  for (const site of ['source', 'destination'] as const) {
    const peak =
      Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pair.pid(site)}/status`, 'utf8'))?.[1]) / 1024;
    verdict(peak < 300, `peak memory of the ${site}'s daemon: ${peak.toFixed(0)} MiB`);
  }
  const status = await pair.source();
  process.stdout.write(
    `${status.streams[0]?.segmentsSent ?? 0} segments, ${((status.streams[0]?.bytesSent ?? 0) / MIB).toFixed(0)} MiB on the wire\n`,
  );
  verdict((await pair.stop('source')) === 0, 'the source drained and exited 0');
  verdict((await pair.stop('destination')) === 0, 'the destination drained and exited 0');
  for (const name of ['a', 'b']) {
    const same = sameFiles(pair.volume('source', name), pair.volume('destination', name));
    verdict(same, `volume ${name}: destination identical to source`);
  }
  compareSnapshots(marks, hosts);
} finally {
  await pair.stopAll();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
conclude();

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}

function compareSnapshots(
  marks: readonly { id: string; lsn: number; windows: readonly ReturnType<LoggedHost['window']>[] }[],
  hosts: readonly { volume: string; host: LoggedHost }[],
): void {
  const volumes = ['a', 'b'].map((name) => ({ name, path: pair.volume('destination', name), size }));
  const store = openSnapshotStore(nodeFiles, silentLog, {
    folder: join(pair.groupFolder('destination'), 'snapshots'),
    volumes,
  });
  for (const { id, lsn, windows } of marks) {
    const at = hosts.map(({ volume, host }, i) => {
      const reader = store.open(id, volume);
      const content = Buffer.alloc(host.region.length);
      for (let done = 0; done < content.length; done += MIB) {
        reader.read(host.region.start + done, content.subarray(done, done + MIB));
      }
      reader.close();
      return host.momentOf(content, windows[i] ?? { from: 0, to: 0 });
    });
    const found = at.map((moment) => (moment === undefined ? 'no moment' : String(moment))).join(', ');
    const line = `snapshot at LSN ${lsn} (${store.kind}): every host's region is as after one of its writes in the marker's window: ${found}`;
    verdict(
      at.every((moment) => moment !== undefined),
      line,
    );
  }
  store.close();
}
