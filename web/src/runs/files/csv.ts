/** Reads CSV (RFC 4180): quoted cells may hold separators, line ends, and quotes written twice. */

/** Rows beyond these are not shown; the file has them. */
export const MOST_ROWS = 100_000

export function readCsv(text: string, separator = ',', most = MOST_ROWS): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let at = text.startsWith('\uFEFF') ? 1 : 0
  const end = text.length
  const endRow = (): void => {
    // A line without anything is no row.
    if (row.length > 1 || row[0] !== '') rows.push(row)
    row = []
  }
  while (at < end && rows.length < most) {
    let cell = ''
    if (text[at] === '"') {
      at += 1
      for (;;) {
        const quote = text.indexOf('"', at)
        if (quote < 0) {
          cell += text.slice(at)
          at = end
          break
        }
        cell += text.slice(at, quote)
        at = quote + 1
        if (text[at] !== '"') break
        cell += '"'
        at += 1
      }
    }
    // What follows a closing quote belongs to the cell: files are not always clean.
    const from = at
    while (at < end && text[at] !== separator && text[at] !== '\n' && text[at] !== '\r') at += 1
    row.push(cell + text.slice(from, at))
    if (at >= end) break
    if (text[at] === separator) {
      at += 1
      if (at >= end) row.push('')
      continue
    }
    at += text[at] === '\r' && text[at + 1] === '\n' ? 2 : 1
    endRow()
  }
  if (row.length > 0 && rows.length < most) endRow()
  return rows
}
