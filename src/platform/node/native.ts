/** System calls that Node does not offer, through koffi. Linux only; elsewhere every function says "cannot". */
import koffi from 'koffi';

const EAGAIN = 11;
const EOPNOTSUPP = 95;
const ENOSYS = 38;
const ENOSPC = 28;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const POSIX_FADV_WILLNEED = 3;
const POSIX_FADV_DONTNEED = 4;
const SYNC_FILE_RANGE_WRITE = 2;
const RWF_NOWAIT = 8;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;

interface LibC {
  readonly preadv2: (fd: number, iov: BigUint64Array, count: number, offset: number, flags: number) => number;
  readonly lseek: (fd: number, offset: number, whence: number) => number;
  readonly fallocate: (fd: number, mode: number, offset: number, length: number) => number;
  readonly posix_fadvise: (fd: number, offset: number, length: number, advice: number) => number;
  readonly sync_file_range: (fd: number, offset: number, length: number, flags: number) => number;
  readonly setsockopt: (fd: number, level: number, name: number, value: Int32Array, length: number) => number;
}

function loadLibC(): LibC | undefined {
  if (process.platform !== 'linux') return undefined;
  const libc = koffi.load('libc.so.6');
  return {
    preadv2: libc.func(
      'int64 preadv2(int fd, void *iov, int count, int64 offset, int flags)',
    ) as LibC['preadv2'],
    lseek: libc.func('int64 lseek(int fd, int64 offset, int whence)') as LibC['lseek'],
    fallocate: libc.func('int fallocate(int fd, int mode, int64 offset, int64 length)') as LibC['fallocate'],
    posix_fadvise: libc.func(
      'int posix_fadvise(int fd, int64 offset, int64 length, int advice)',
    ) as LibC['posix_fadvise'],
    sync_file_range: libc.func(
      'int sync_file_range(int fd, int64 offset, int64 length, unsigned int flags)',
    ) as LibC['sync_file_range'],
    setsockopt: libc.func(
      'int setsockopt(int fd, int level, int name, const int32 *value, uint32 length)',
    ) as LibC['setsockopt'],
  };
}

const libc = loadLibC();

/** False where the file system or the platform cannot. @throws `ENOSPC` */
export function allocateBlocks(fd: number, length: number): boolean {
  if (libc === undefined) return false;
  if (libc.fallocate(fd, 0, 0, length) === 0) return true;
  const errno = koffi.errno();
  if (errno === ENOSPC)
    throw Object.assign(new Error('ENOSPC: no space left on device, fallocate'), { code: 'ENOSPC' });
  if (errno === EOPNOTSUPP || errno === ENOSYS) return false;
  throw Object.assign(new Error(`fallocate failed: errno ${errno}`), { code: 'EIO' });
}

/** False where the file system or the platform cannot, or the range could not be deallocated for whatever reason. */
export function punchHole(fd: number, position: number, length: number): boolean {
  return libc?.fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, position, length) === 0;
}

/** Whether the page cache was told to drop a range. It keeps what is dirty, and what somebody has mapped. */
export function forgetCached(fd: number, position: number, length: number): boolean {
  return libc?.posix_fadvise(fd, position, length, POSIX_FADV_DONTNEED) === 0;
}

/** A `struct iovec`: where the bytes go, and how many. */
const vector = new BigUint64Array(2);

/**
 * Fills `into`, of some hundred bytes at least, with what the system has in memory. `cold`: it has not all of it, and reads that
 * now; `into` holds anything. `unknown`: only a read that may wait tells more, as where the file system cannot (NFS), past the
 * end of the file, or elsewhere.
 */
export function readCached(fd: number, into: Uint8Array, position: number): 'filled' | 'cold' | 'unknown' {
  if (libc === undefined) return 'unknown';
  vector[0] = koffi.address(into);
  vector[1] = BigInt(into.length);
  const count = libc.preadv2(fd, vector, 1, position, RWF_NOWAIT);
  if (count === into.length) return 'filled';
  return count > 0 || (count < 0 && koffi.errno() === EAGAIN) ? 'cold' : 'unknown';
}

/** Has the kernel begin to read a range, without waiting for it. */
export function startReading(fd: number, position: number, length: number): void {
  libc?.posix_fadvise(fd, position, length, POSIX_FADV_WILLNEED);
}

/** Has the kernel begin to write a range, without waiting for it. A failure of that is for the next sync to tell. */
export function startWriting(fd: number, position: number, length: number): void {
  libc?.sync_file_range(fd, position, length, SYNC_FILE_RANGE_WRITE);
}

/** Bytes that a socket holds until the other end takes them: so many, or as many as the system allows (socket(7), SO_SNDBUF). */
export function setSendBuffer(fd: number, bytes: number): void {
  libc?.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, Int32Array.of(bytes), Int32Array.BYTES_PER_ELEMENT);
}

/** The next extent of data, undefined when only a hole follows; all of [position, size) where nobody can tell. */
export function nextData(
  fd: number,
  position: number,
  size: number,
): { start: number; end: number } | undefined {
  if (position >= size) return undefined;
  if (libc === undefined) return { start: position, end: size };
  const start = libc.lseek(fd, position, SEEK_DATA);
  if (start < 0) {
    const ENXIO = 6;
    return koffi.errno() === ENXIO ? undefined : { start: position, end: size };
  }
  const end = libc.lseek(fd, start, SEEK_HOLE);
  return { start, end: end < 0 ? size : end };
}

const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
const M_ARENA_MAX = -8;
/** Bytes: more than a frame of a segment has, whose buffers are had and freed all the time. */
const RETURNED_FROM = 8 * 1024 * 1024;

/**
 * Makes glibc give freed buffers back to the system, but for a few MiB in each of two arenas. By its own rules it keeps those of
 * up to 32 MiB, in an arena for each thread, and a daemon that moves many large buffers through several threads grows to
 * several times what it uses. Where all are given back at once, nearly half of the work on segments is to get them again, page
 * by page.
 */
export function returnFreedMemory(): void {
  if (process.platform !== 'linux') return;
  const mallopt = koffi.load('libc.so.6').func('int mallopt(int param, int value)') as (
    param: number,
    value: number,
  ) => number;
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_THRESHOLD, RETURNED_FROM);
  mallopt(M_TRIM_THRESHOLD, RETURNED_FROM);
}
