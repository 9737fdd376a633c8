/** Writes CSV (RFC 4180). */

/** A spreadsheet reads a text that begins so as a formula. */
const FORMULA = /^[=+\-@\t\r]/

/** What is no text, such as a number, as it is. */
export const plainCell = (written: string): string => (/[",\r\n]/.test(written) ? `"${written.replaceAll('"', '""')}"` : written)

/** A text. Where a spreadsheet would calculate, it gets an apostrophe. */
export const textCell = (text: string): string => plainCell(FORMULA.test(text) ? `'${text}` : text)

/** A file of rows of cells, of which the first has the titles. */
export const csvOf = (rows: readonly (readonly string[])[]): string => rows.map((row) => `${row.join(',')}\r\n`).join('')
