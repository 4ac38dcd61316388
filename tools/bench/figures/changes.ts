/** A part of a large volume was changed while nothing could be sent: until the destination has it, and how much goes there for it. */
import { rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { join } from 'node:path';
import type { Figure, Setting } from '../figure.ts';
import { copyImage, makeImage } from '../image.ts';
import { BenchPair } from '../pair.ts';
import { fio, run } from '../programs.ts';
import { inTurns, ratioOf, seconds } from '../turns.ts';

const MIB = 1024 * 1024;
const CHANGED = 0.01;
const BLOCK = 4096;

const NAMES = {
  time: '1 % of a volume changed, brought over',
  wire: 'bytes on the wire for each byte changed',
};

export const changes: Figure = {
  names: Object.values(NAMES),
  async measure(setting, wanted) {
    const size = setting.quick ? 512 * MIB : 16 * 1024 * MIB;
    const changed = Math.floor((size * CHANGED) / BLOCK) * BLOCK;
    const peer = new Rsync(setting, size);
    const pair = await BenchPair.make({
      folder: setting.folder,
      size,
      quota: '16 GiB',
    });
    const wire = { ours: [] as number[], rsync: [] as number[] };
    try {
      await run('cp', '--sparse=always', peer.image, pair.image);
      await pair.start();
      await pair.settle();
      const values = await inTurns(
        {
          ours: async () => {
            await pair.link('closed');
            const before = await pair.sent();
            await fio({
              uri: pair.uri,
              kind: 'randwrite',
              block: '4k',
              depth: 32,
              connections: 1,
              bytes: changed,
            });
            // Until the last of it is sealed, as by the time at which a window opens.
            await pause(5000);
            const taken = await seconds(async () => {
              await pair.link('unlimited');
              await pair.settle();
            });
            wire.ours.push(((await pair.sent()) - before) / changed);
            return taken;
          },
          rsync: async () => {
            await peer.change(changed);
            const { taken, sent } = await peer.bringOver([]);
            return sent === 0 ? Number.NaN : taken;
          },
          'rsync -z': async () => {
            await peer.change(changed);
            const { taken, sent } = await peer.bringOver(['-z']);
            wire.rsync.push(sent / changed);
            return taken;
          },
        },
        { rounds: setting.rounds, warm: false },
      );
      const { ours, rsync } = values;
      return [
        {
          ...{ name: NAMES.time, unit: 's', ours, must: 20, aim: 100 },
          peer: { name: 'rsync --inplace', values: rsync },
          ratio: ratioOf(rsync, ours),
        },
        {
          ...{ name: NAMES.wire, unit: 'bytes', ours: wire.ours, must: 1, aim: 0.5 },
          peer: { name: 'rsync -z', values: wire.rsync },
          ratio: ratioOf(wire.ours, wire.rsync),
        },
      ].filter(({ name }) => wanted.includes(name));
    } finally {
      await pair.end();
      peer.end();
    }
  },
};

class Rsync {
  readonly image: string;
  readonly #copy: string;
  readonly #size: number;

  constructor({ folder }: Setting, size: number) {
    this.image = join(folder, 'changing.raw');
    this.#copy = join(folder, 'changing.copy');
    this.#size = size;
    makeImage(this.image, size);
    copyImage(this.image, this.#copy);
  }

  /** Overwrites so many bytes in random blocks. */
  async change(bytes: number): Promise<void> {
    await run(
      'fio',
      ...['--name=host', '--ioengine=psync', `--filename=${this.image}`, '--rw=randwrite', '--bs=4k'],
      ...['--norandommap', '--randrepeat=0', '--refill_buffers', '--end_fsync=1'],
      ...[`--size=${this.#size}`, `--io_size=${bytes}`],
    );
  }

  /** Seconds, and bytes that one rsync told the other. */
  async bringOver(options: readonly string[]): Promise<{ readonly taken: number; readonly sent: number }> {
    let output = '';
    const taken = await seconds(async () => {
      output = await run(
        'rsync',
        ...['--inplace', '--no-whole-file', '--ignore-times', '--stats', '--fsync', ...options],
        ...[this.image, this.#copy],
      );
    });
    const numbers = [...output.matchAll(/^Total bytes (?:sent|received): ([\d,]+)$/gm)];
    return { taken, sent: numbers.reduce((sum, [, bytes]) => sum + Number(bytes?.replaceAll(',', '')), 0) };
  }

  end(): void {
    rmSync(this.image, { force: true });
    rmSync(this.#copy, { force: true });
  }
}
