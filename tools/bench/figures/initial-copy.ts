/** A volume that holds data when replication begins: until the destination holds it too. And what that costs of the processors. */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FtpServer } from '../../../test/servers/ftp-server.ts';
import type { Figure } from '../figure.ts';
import { makeImage } from '../image.ts';
import { BenchPair } from '../pair.ts';
import { cpuOf, run } from '../programs.ts';
import { inTurns, ratioOf, seconds } from '../turns.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** Of every MiB. */
const FILLED = MIB / 2;

const NAMES = {
  rsync: 'initial copy over FTP, against rsync --sparse -W',
  lftp: 'initial copy over FTP, against lftp put',
  cpu: 'CPU seconds for each GiB replicated',
};

export const initialCopy: Figure = {
  names: Object.values(NAMES),
  async measure({ quick, rounds, folder }, wanted) {
    const size = quick ? 256 * MIB : 4 * GIB;
    const image = join(folder, 'image.raw');
    const copy = join(folder, 'copy');
    const server = await FtpServer.start('vsftpd', { tls: 'none' });
    const cpu = { ours: [] as number[], rsync: [] as number[] };
    mkdirSync(copy);
    makeImage(image, size, FILLED);
    try {
      const { ours, rsync, lftp } = await inTurns(
        {
          ours: () => copyOurs(folder, image, size, (used) => cpu.ours.push(used / (size / 2 / GIB))),
          // Ours is durable when it is done.
          rsync: () =>
            seconds(() => run('sh', '-c', `rsync --sparse -W ${image} ${copy} && sync -f ${copy}`)),
          lftp: () => seconds(() => put(server, image)),
          cpu: async () => {
            rmSync(join(copy, 'image.raw'), { force: true });
            const used = await cpuOf(`rsync -z --sparse -W ${image} ${copy}`);
            cpu.rsync.push(used / (size / 2 / GIB));
            rmSync(join(copy, 'image.raw'));
            return used;
          },
        },
        { rounds, warm: false },
      );
      const bounds = { unit: 's', ours, must: 1, aim: 2 };
      return [
        {
          name: NAMES.rsync,
          ...bounds,
          peer: { name: 'rsync', values: rsync },
          ratio: ratioOf(rsync, ours),
        },
        { name: NAMES.lftp, ...bounds, peer: { name: 'lftp', values: lftp }, ratio: ratioOf(lftp, ours) },
        {
          name: NAMES.cpu,
          unit: 's/GiB',
          ours: cpu.ours,
          peer: { name: 'rsync -z', values: cpu.rsync },
          ratio: ratioOf(cpu.ours, cpu.rsync),
          must: 1,
          aim: 0.5,
        },
      ].filter(({ name }) => wanted.includes(name));
    } finally {
      await server.stop();
      rmSync(copy, { recursive: true });
      rmSync(image);
    }
  },
};

/** From the daemons' start until both volumes are the same. `onCpu` is told the processor seconds of both. */
async function copyOurs(
  folder: string,
  image: string,
  size: number,
  onCpu: (used: number) => void,
): Promise<number> {
  const pair = await BenchPair.make({ folder, size, quota: '16 GiB' });
  try {
    await run('cp', '--sparse=always', image, pair.image);
    // As that of the others: what is still to be written would be so while ours is measured.
    await run('sync', pair.image);
    const taken = await seconds(async () => {
      await pair.start();
      await pair.settle();
    });
    onCpu(pair.cpu());
    return taken;
  } finally {
    await pair.end();
  }
}

async function put(server: FtpServer, image: string): Promise<void> {
  const { user, password, port, groupFolder, groupPath } = server;
  const target = join(groupFolder, 'image.raw');
  rmSync(target, { force: true });
  const commands = [
    'set ftp:ssl-allow false; set net:max-retries 1; set cmd:fail-exit true',
    `open -u ${user},${password} ftp://127.0.0.1:${port}`,
    `put -O ${groupPath} ${image}`,
  ];
  await run('lftp', '--norc', '-c', commands.join('; '));
  await run('sync', '-f', groupFolder);
  if (statSync(target).size !== statSync(image).size) throw new Error('lftp has not put all of it');
}
