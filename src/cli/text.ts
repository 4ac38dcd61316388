/** What is printed, in columns that line up. */
import { stripVTControlCharacters, type styleText } from 'node:util';

export { bytesText, countText, durationText, timeText } from '../platform/words.ts';

export type Style = Parameters<typeof styleText>[0];
/** Colours on a terminal; the identity elsewhere. */
export type Paint = (style: Style, text: string) => string;

/** What servers, programs and files say must not steer the terminal. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return stripVTControlCharacters(text).replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}

/** Cells padded to their column's width, two spaces between columns. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, width(cell));
  }
  return rows.map((row) =>
    row
      .map((cell, index) => cell + ' '.repeat((widths[index] ?? 0) - width(cell)))
      .join('  ')
      .trimEnd(),
  );
}

const width = (cell: string): number => stripVTControlCharacters(cell).length;
