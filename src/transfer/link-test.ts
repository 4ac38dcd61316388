/**
 * Tries everything that a link needs of its file server, with files of its own that it takes away again, and measures it.
 * Works on any transport; the names that it uses are no segments', so a destination passes them over.
 */
import { join } from 'node:path';
import { INBOX_FOLDER, PART_SUFFIX, STATUS_FILE, STATUS_FOLDER } from '../journal/names.ts';
import { STATUS_SIZE_MAX } from '../journal/status.ts';
import type { Platform } from '../platform/platform.ts';
import { LINK_TEST_ID_SIZE, LINK_TEST_READ_MAX, linkTestName } from './link-test-name.ts';
import { failureOf } from './link-troubles.ts';
import { TransportError, type LocalFile, type Transport } from './transport.ts';

/** Bytes. */
const SMALL = LINK_TEST_READ_MAX;
const SPEED_FIRST = 64 * 1024;
const SPEED_LAST = 64 * 1024 * 1024;
const SPEED_GROWTH = 4;
/** Milliseconds that a file must take for its speed to mean something. */
const SPEED_TIME = 1500;
const LATENCY_LOOKS = 5;
/** Milliseconds for all of it. */
export const LINK_TEST_TIME_MAX = 50_000;

/** `connect`: find the server, log in, find the group's folder. */
export type LinkTestStepName = 'connect' | 'write' | 'read' | 'replace' | 'list' | 'speed' | 'delete';

export interface LinkTestStep {
  readonly name: LinkTestStepName;
  readonly milliseconds: number;
  /** Why it failed and what to do about it; undefined when it went well. */
  readonly failure?: string;
}

export interface LinkTestReport {
  /** The server, without a password. */
  readonly server: string;
  /** In order, up to the first that failed; `delete` is tried in any case. */
  readonly steps: readonly LinkTestStep[];
  /** Milliseconds of the middle one of a few small requests. */
  readonly latency?: number;
  readonly speed?: { readonly bytes: number; readonly bytesPerSecond: number };
}

export interface LinkTestOptions {
  readonly transport: Transport;
  /** Where local files for it may be made for the moment. */
  readonly folder: string;
}

type LinkTestPlatform = Pick<Platform, 'clock' | 'random' | 'files'>;

/** Never rejects for what a server does: that is what it reports. */
export async function testLink(
  platform: LinkTestPlatform,
  options: LinkTestOptions,
): Promise<LinkTestReport> {
  const test = new LinkTest(platform, options);
  try {
    return await test.run();
  } finally {
    test.end();
    await options.transport.close();
  }
}

class LinkTest {
  readonly #platform: LinkTestPlatform;
  readonly #transport: Transport;
  readonly #name: string;
  readonly #path: string;
  readonly #limit = new AbortController();
  readonly #timer: { cancel(): void };
  readonly #steps: LinkTestStep[] = [];
  #latency: number | undefined;
  #speed: LinkTestReport['speed'];

  constructor(platform: LinkTestPlatform, { transport, folder }: LinkTestOptions) {
    this.#platform = platform;
    this.#transport = transport;
    const file = linkTestName(platform.random.bytes(LINK_TEST_ID_SIZE));
    this.#name = `${INBOX_FOLDER}/${file}`;
    this.#path = join(folder, file);
    platform.files.makeDirectory(folder);
    this.#timer = platform.clock.after(LINK_TEST_TIME_MAX, () => this.#limit.abort());
  }

  async run(): Promise<LinkTestReport> {
    const { signal } = this.#limit;
    const one = this.#platform.random.bytes(SMALL);
    const other = this.#platform.random.bytes(SMALL);
    const everything =
      (await this.#step('connect', () => this.#transport.list(INBOX_FOLDER, signal))) &&
      (await this.#step('write', () => this.#put(one))) &&
      (await this.#step('read', () => this.#expect(one))) &&
      (await this.#step('replace', async () => {
        await this.#put(other);
        await this.#expect(other);
      })) &&
      (await this.#step('list', () => this.#expectListed())) &&
      (await this.#step('speed', async () => {
        this.#latency = await this.#measureLatency();
        this.#speed = await this.#measureSpeed();
      }));
    // Where nothing could be reached there is nothing to take away.
    if (everything || this.#steps.length > 1) await this.#step('delete', () => this.#delete());
    return {
      server: this.#transport.description,
      steps: this.#steps,
      ...(this.#latency === undefined ? {} : { latency: this.#latency }),
      ...(this.#speed === undefined ? {} : { speed: this.#speed }),
    };
  }

  end(): void {
    this.#timer.cancel();
    this.#platform.files.remove(this.#path);
  }

  async #step(name: LinkTestStepName, work: () => Promise<unknown>): Promise<boolean> {
    const start = this.#platform.clock.monotonic();
    let failure: string | undefined;
    try {
      await work();
    } catch (error) {
      failure = this.#limit.signal.aborted
        ? `it was not done after ${LINK_TEST_TIME_MAX / 1000} s; see that the link is not too slow, or its schedule's rate too low`
        : describe(error);
    }
    const milliseconds = this.#platform.clock.monotonic() - start;
    this.#steps.push({ name, milliseconds, ...(failure === undefined ? {} : { failure }) });
    return failure === undefined;
  }

  async #put(content: Buffer): Promise<void> {
    await this.#transport.put(this.#localFile([content]), this.#name, { signal: this.#limit.signal });
  }

  async #expect(content: Buffer): Promise<void> {
    const found = await this.#transport.readSmall(this.#name, SMALL, this.#limit.signal);
    if (found?.equals(content) === true) return;
    throw new TransportError(
      found === undefined ? 'NotFound' : 'Integrity',
      found === undefined
        ? `${this.#name} is not there although the server took it`
        : `${this.#name} holds something else than what was sent`,
      {
        remedy:
          'see that nothing else moves or changes files there, such as a virus scanner or another client',
      },
    );
  }

  async #expectListed(): Promise<void> {
    const files = await this.#transport.list(INBOX_FOLDER, this.#limit.signal);
    const ours = files.filter(({ name }) => `${INBOX_FOLDER}/${name}`.startsWith(this.#name));
    if (ours.length === 1 && ours[0]?.size === SMALL && this.#name.endsWith(`/${ours[0].name}`)) return;
    const shown = ours.map(({ name, size }) => `${name} with ${size} bytes`).join(', ');
    throw new TransportError(
      'Protocol',
      `the listing shows ${shown === '' ? 'nothing' : shown} where one file of ${SMALL} bytes belongs`,
      { remedy: 'let the server show files as they are: not hidden, renamed or translated' },
    );
  }

  /** The status file is what a link asks for most; that it is not there yet makes no difference. */
  async #measureLatency(): Promise<number> {
    const { clock } = this.#platform;
    const times: number[] = [];
    for (let look = 0; look < LATENCY_LOOKS; look += 1) {
      const start = clock.monotonic();
      await this.#transport.readSmall(`${STATUS_FOLDER}/${STATUS_FILE}`, STATUS_SIZE_MAX, this.#limit.signal);
      times.push(clock.monotonic() - start);
    }
    return times.sort((a, b) => a - b)[Math.floor(LATENCY_LOOKS / 2)] ?? 0;
  }

  /** Larger and larger files, until one takes long enough. */
  async #measureSpeed(): Promise<LinkTestReport['speed']> {
    const { clock, random } = this.#platform;
    const chunk = random.bytes(SPEED_FIRST);
    for (let bytes = SPEED_FIRST; ; bytes *= SPEED_GROWTH) {
      const file = this.#localFile(Array<Buffer>(bytes / SPEED_FIRST).fill(chunk));
      const start = clock.monotonic();
      await this.#transport.put(file, this.#name, { signal: this.#limit.signal });
      const milliseconds = Math.max(1, clock.monotonic() - start);
      if (milliseconds >= SPEED_TIME || bytes >= SPEED_LAST) {
        return { bytes, bytesPerSecond: (bytes / milliseconds) * 1000 };
      }
    }
  }

  async #delete(): Promise<void> {
    // What timed out is taken away all the same.
    const { signal } = new AbortController();
    await this.#transport.remove(this.#name, signal);
    await this.#transport.remove(this.#name + PART_SUFFIX, signal);
    const left = await this.#transport.readSmall(this.#name, SPEED_LAST, signal);
    if (left === undefined) return;
    throw new TransportError('Exists', `${this.#name} is still there although the server removed it`, {
      remedy: `remove it by hand, and let the user delete files in ${INBOX_FOLDER}`,
    });
  }

  #localFile(chunks: readonly Buffer[]): LocalFile {
    const { files } = this.#platform;
    files.remove(this.#path);
    const file = files.open(this.#path, 'create-new');
    let position = 0;
    for (const chunk of chunks) {
      file.write(chunk, position);
      position += chunk.length;
    }
    file.close();
    return { path: this.#path, size: position };
  }
}

function describe(error: unknown): string {
  if (error instanceof TransportError && error.remedy !== '') return `${error.message}; ${error.remedy}`;
  return failureOf(error).message;
}
