/** Lines of the three listings. Pure; times in UTC. */
export interface ListedEntry {
  readonly name: string;
  readonly kind: 'file' | 'folder';
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

export type ListingKind = 'LIST' | 'NLST' | 'MLSD';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const HALF_A_YEAR = 182 * 24 * 3_600_000;

export function listingLine(kind: ListingKind, entry: ListedEntry, now: number): string {
  switch (kind) {
    case 'LIST':
      return `${longLine(entry, now)}\r\n`;
    case 'NLST':
      return `${entry.name}\r\n`;
    case 'MLSD':
      return `${facts(entry)} ${entry.name}\r\n`;
  }
}

/** RFC 3659, section 7.5. */
export function facts(entry: ListedEntry): string {
  const modify = `modify=${timeValue(entry.modifiedAt)};`;
  return entry.kind === 'folder' ? `type=dir;${modify}` : `type=file;size=${entry.size};${modify}`;
}

/** `YYYYMMDDHHMMSS` (RFC 3659, section 2.3). */
export function timeValue(time: number): string {
  return new Date(time).toISOString().replace(/[-:T]/g, '').slice(0, 14);
}

/** As `ls -l` prints it: what clients without MLSD read. */
function longLine(entry: ListedEntry, now: number): string {
  const date = new Date(entry.modifiedAt);
  const day = String(date.getUTCDate()).padStart(2);
  const recent = Math.abs(now - entry.modifiedAt) < HALF_A_YEAR;
  const when = recent ? date.toISOString().slice(11, 16) : ` ${date.getUTCFullYear()}`;
  const mode = entry.kind === 'folder' ? 'drwx------' : '-rw-------';
  return `${mode} 1 ftp ftp ${String(entry.size).padStart(12)} ${MONTHS[date.getUTCMonth()] ?? ''} ${day} ${when} ${entry.name}`;
}
