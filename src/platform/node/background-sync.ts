/** fdatasync in a thread of the C library's own (POSIX AIO), which a synchronous thread can wait for. Linux only. */
import * as fs from 'node:fs';
import { getSystemErrorName } from 'node:util';
import koffi from 'koffi';

const EINPROGRESS = 115;
const SIGEV_NONE = 1;
/** Bytes of a `struct aiocb`, and where its numbers of 32 bits lie, with glibc and pointers of 64 bits. */
const BLOCK_SIZE = 168;
const BLOCK = { descriptor: 0, notify: 11 } as const;

interface Aio {
  readonly fsync: (operation: number, block: unknown) => number;
  readonly error: (block: unknown) => number;
  readonly suspend: (list: BigUint64Array, count: number, timeout: null) => number;
  readonly result: (block: unknown) => number;
}

function loadAio(): Aio | undefined {
  if (process.platform !== 'linux' || koffi.sizeof('void *') !== 8) return undefined;
  // Until glibc 2.34 these have a library of their own, which has stayed as a name for the other.
  const library = koffi.load('librt.so.1');
  return {
    fsync: library.func('int aio_fsync(int op, void *block)') as Aio['fsync'],
    error: library.func('int aio_error(const void *block)') as Aio['error'],
    suspend: library.func('int aio_suspend(void *list, int count, void *timeout)') as Aio['suspend'],
    result: library.func('int64 aio_return(void *block)') as Aio['result'],
  };
}

const aio = loadAio();

/**
 * Begins an fdatasync of a file that stays open until the result was called, which waits for it.
 * Undefined: it cannot be done here. The result throws the operating system's error.
 */
export function beginDataSync(fd: number): (() => void) | undefined {
  if (aio === undefined) return undefined;
  // Not the engine's memory: of a thread that is ended meanwhile that is gone, and the C library still writes to this.
  const block: unknown = koffi.alloc('uint8_t', BLOCK_SIZE);
  const numbers = new Int32Array(koffi.view(block, BLOCK_SIZE)).fill(0);
  numbers[BLOCK.descriptor] = fd;
  numbers[BLOCK.notify] = SIGEV_NONE;
  if (aio.fsync(fs.constants.O_DSYNC, block) !== 0) {
    koffi.free(block);
    return undefined;
  }
  return () => wait(aio, block);
}

function wait(calls: Aio, block: unknown): void {
  const list = new BigUint64Array([koffi.address(block)]);
  let errno = calls.error(block);
  // A signal ends the waiting early.
  for (; errno === EINPROGRESS; errno = calls.error(block)) calls.suspend(list, 1, null);
  calls.result(block);
  koffi.free(block);
  if (errno !== 0) throw syncError(errno);
}

function syncError(errno: number): Error {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`${code}: fdatasync`), { code, errno: -errno, syscall: 'fdatasync' });
}
