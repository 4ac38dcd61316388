/**
 * Which record wrote each sector last, of records that are told in order. In small pages, so that scattered writes on a
 * large volume take memory for what they touch alone.
 */
import type { JournalRecord } from './record.ts';

export const SECTOR = 512;

/** Sectors of a page: 64 KiB of volume, 512 bytes of memory. */
const PAGE_SECTORS = 128;
/** About 48 MiB of memory with what the map needs beside them; 4 GiB of volume when it is written in one piece. */
export const LAST_WRITER_PAGES_MAX = 65_536;

/** Where a record is the last writer: byte positions, `end` exclusive. */
export interface Survivor {
  readonly start: number;
  readonly end: number;
}

type Area = Pick<JournalRecord, 'volume' | 'offset' | 'length'>;

export class LastWriters {
  readonly #pagesMax: number;
  readonly #pages: (Map<number, Uint32Array> | undefined)[] = [];
  #count = 0;
  #sectors = 0;

  constructor(pagesMax = LAST_WRITER_PAGES_MAX) {
    this.#pagesMax = pagesMax;
  }

  /** Sectors that were written at all. */
  get sectors(): number {
    return this.#sectors;
  }

  /** `number`: of the record, 1 or higher. False when it is not whole sectors or there are too many pages: half of it may be noted. */
  note({ volume, offset, length }: Area, number: number): boolean {
    if (offset % SECTOR !== 0 || length % SECTOR !== 0) return false;
    const pages = (this.#pages[volume] ??= new Map<number, Uint32Array>());
    const end = (offset + length) / SECTOR;
    for (let at = offset / SECTOR; at < end;) {
      const index = Math.floor(at / PAGE_SECTORS);
      let page = pages.get(index);
      if (page === undefined) {
        if (this.#count >= this.#pagesMax) return false;
        this.#count += 1;
        pages.set(index, (page = new Uint32Array(PAGE_SECTORS)));
      }
      const first = at - index * PAGE_SECTORS;
      const last = Math.min(PAGE_SECTORS, end - index * PAGE_SECTORS);
      for (let i = first; i < last; i += 1) if (page[i] === 0) this.#sectors += 1;
      page.fill(number, first, last);
      at += last - first;
    }
    return true;
  }

  /** Whether any sector of this area was written by a record behind this number. */
  writtenAfter({ volume, offset, length }: Area, number: number): boolean {
    const pages = this.#pages[volume];
    if (pages === undefined) return false;
    const end = Math.ceil((offset + length) / SECTOR);
    for (let at = Math.floor(offset / SECTOR); at < end;) {
      const index = Math.floor(at / PAGE_SECTORS);
      const first = index * PAGE_SECTORS;
      const written = pages.get(index)?.subarray(at - first, end - first);
      if (written?.some((writer) => writer > number) === true) return true;
      at = first + PAGE_SECTORS;
    }
    return false;
  }

  /** What of a record that was noted no later one wrote over, in order. */
  survivors({ volume, offset, length }: Area, number: number): Survivor[] {
    const pages = this.#pages[volume];
    const found: Survivor[] = [];
    const end = (offset + length) / SECTOR;
    let page: Uint32Array | undefined;
    let start = -1;
    for (let at = offset / SECTOR; at < end; at += 1) {
      const inPage = at % PAGE_SECTORS;
      if (inPage === 0 || page === undefined) page = pages?.get(Math.floor(at / PAGE_SECTORS));
      const survives = page?.[inPage] === number;
      if (survives && start === -1) start = at;
      else if (!survives && start !== -1) {
        found.push({ start: start * SECTOR, end: at * SECTOR });
        start = -1;
      }
    }
    if (start !== -1) found.push({ start: start * SECTOR, end: end * SECTOR });
    return found;
  }
}
