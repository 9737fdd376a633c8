/** Lines as rows of a fixed height: which part of which line a row shows. */

/** Without wrapping, a line longer than this is still shown in several rows: browsers are slow with longer ones. */
export const LONGEST_ROW = 1000
const TAB = 8

/** Characters that take two cells: those of East Asia, and emoji. */
const WIDE: readonly (readonly [from: number, to: number])[] = [
  [0x1100, 0x115f], [0x231a, 0x231b], [0x23e9, 0x23f3], [0x25fd, 0x25fe], [0x2600, 0x27bf], [0x2e80, 0x303e], [0x3041, 0xa4cf], [0xa960, 0xa97f],
  [0xac00, 0xd7a3], [0xf900, 0xfaff], [0xfe30, 0xfe6f], [0xff00, 0xff60], [0xffe0, 0xffe6], [0x16fe0, 0x18aff], [0x1b000, 0x1b2ff],
  [0x1f000, 0x1faff], [0x20000, 0x3fffd],
]

/** How many cells of the font a character takes. */
function cells(code: number): number {
  if (code < 0x300) return 1
  if (code < 0x370 || code === 0x200d || (code >= 0xfe00 && code <= 0xfe0f)) return 0
  return code >= 0x1100 && WIDE.some(([from, to]) => code >= from && code <= to) ? 2 : 1
}

const SIMPLE = /^[ -~]*$/

/** Where the rows of a line end, for rows of so many cells. A line that fits has one row. */
export function rowEnds(text: string, columns: number): number[] {
  const ends: number[] = []
  if (SIMPLE.test(text)) {
    for (let at = columns; at < text.length; at += columns) ends.push(at)
    ends.push(text.length)
    return ends
  }
  let used = 0
  for (let at = 0; at < text.length; ) {
    const code = text.codePointAt(at) ?? 0
    const width = code === 9 ? TAB - (used % TAB) : cells(code)
    if (used + width > columns && used > 0) {
      ends.push(at)
      used = code === 9 ? TAB : width
    } else used += width
    at += code > 0xffff ? 2 : 1
  }
  ends.push(text.length)
  return ends
}

/** How many rows a line has. */
export function rowCount(text: string, columns: number): number {
  if (text.length * 2 <= columns && !text.includes('\t')) return 1
  if (SIMPLE.test(text)) return Math.max(1, Math.ceil(text.length / columns))
  return rowEnds(text, columns).length
}

/** For each of a list of lines, how many rows it and those before it have. */
export class RowIndex {
  private ends: number[] = []
  private cached = new Map<number, { text: string; ends: number[] }>()
  private readonly text: (line: number) => string
  readonly columns: number

  constructor(columns: number, text: (line: number) => string) {
    this.columns = Math.max(1, columns)
    this.text = text
  }

  get rows(): number {
    return this.ends.at(-1) ?? 0
  }

  /** Counts again from a line on. */
  update(from: number, lines: number): void {
    if (from < this.ends.length) this.ends.length = Math.max(0, from)
    for (let line = this.ends.length; line < lines; line += 1) {
      this.ends.push((this.ends.at(-1) ?? 0) + rowCount(this.text(line), this.columns))
    }
  }

  firstRow(line: number): number {
    return line > 0 ? (this.ends[line - 1] ?? this.rows) : 0
  }

  /** The line of a row. */
  lineOf(row: number): number {
    let [low, high] = [0, this.ends.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.ends[middle] ?? 0) > row) high = middle
      else low = middle + 1
    }
    return low
  }

  /** The part of its line that a row shows. */
  part(row: number, line: number): [from: number, to: number] {
    const ends = this.endsOf(line)
    const at = row - this.firstRow(line)
    return [at > 0 ? (ends[at - 1] ?? 0) : 0, ends[at] ?? this.text(line).length]
  }

  /** The row that shows a character of a line. */
  rowOf(line: number, at: number): number {
    const part = this.endsOf(line).findIndex((end) => end > at)
    return this.firstRow(line) + Math.max(0, part)
  }

  private endsOf(line: number): number[] {
    const text = this.text(line)
    const cached = this.cached.get(line)
    if (cached && cached.text === text) return cached.ends
    if (this.cached.size > 400) this.cached.clear()
    const ends = rowEnds(text, this.columns)
    this.cached.set(line, { text, ends })
    return ends
  }
}
