/** 100 ns units from 1601 to 1970. */
const EPOCH_DIFFERENCE = 116_444_736_000_000_000n;

/** FILETIME (MS-DTYP 2.3.3) of a time in milliseconds since 1970. */
export function fileTime(milliseconds: number): bigint {
  return BigInt(Math.floor(milliseconds)) * 10_000n + EPOCH_DIFFERENCE;
}
