/** Where two texts differ, line by line: the shortest way from one to the other (Myers 1986). */

export interface LineRow {
  kind: 'same' | 'changed' | 'added' | 'removed'
  /** The number of the line in each text, from 0; undefined: it has none there. */
  a: number | undefined
  b: number | undefined
}

/** Lines that are the same and far from a difference are folded. */
export interface Fold {
  kind: 'fold'
  /** The rows that are folded: from the first to the one after the last. */
  from: number
  to: number
}

/** Texts with more differences than this are shown as all different where they differ: the search would take long. */
const MOST_DIFFERENCES = 1500

/** Which lines of the middle stay: pairs, in order. */
function common(a: readonly string[], b: readonly string[]): [number, number][] | undefined {
  const most = Math.min(a.length + b.length, MOST_DIFFERENCES)
  const offset = most + 1
  let ends = new Int32Array(2 * most + 3)
  const trace: Int32Array[] = []
  for (let d = 0; d <= most; d += 1) {
    trace.push(ends.slice())
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (ends[offset + k - 1] ?? 0) < (ends[offset + k + 1] ?? 0))
      let x = down ? (ends[offset + k + 1] ?? 0) : (ends[offset + k - 1] ?? 0) + 1
      let y = x - k
      while (x < a.length && y < b.length && a[x] === b[y]) [x, y] = [x + 1, y + 1]
      ends[offset + k] = x
      if (x >= a.length && y >= b.length) return back(trace, a.length, b.length, offset)
    }
    ends = ends.slice()
  }
  return undefined
}

function back(trace: Int32Array[], endA: number, endB: number, offset: number): [number, number][] {
  const pairs: [number, number][] = []
  let [x, y] = [endA, endB]
  for (let d = trace.length - 1; d >= 0; d -= 1) {
    const ends = trace[d] ?? new Int32Array()
    const k = x - y
    const down = k === -d || (k !== d && (ends[offset + k - 1] ?? 0) < (ends[offset + k + 1] ?? 0))
    const before = down ? k + 1 : k - 1
    const fromX = d === 0 ? 0 : (ends[offset + before] ?? 0)
    const fromY = d === 0 ? 0 : fromX - before
    while (x > fromX && y > fromY) pairs.push([(x -= 1), (y -= 1)])
    if (d > 0) [x, y] = [fromX, fromY]
  }
  return pairs.reverse()
}

export function compareLines(a: readonly string[], b: readonly string[]): LineRow[] {
  let begin = 0
  while (begin < a.length && begin < b.length && a[begin] === b[begin]) begin += 1
  let end = 0
  while (end < a.length - begin && end < b.length - begin && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1
  const rows: LineRow[] = []
  for (let at = 0; at < begin; at += 1) rows.push({ kind: 'same', a: at, b: at })
  const pairs = common(a.slice(begin, a.length - end), b.slice(begin, b.length - end)) ?? []
  let [x, y] = [begin, begin]
  for (const [left, right] of [...pairs.map(([p, q]) => [p + begin, q + begin] as const), [a.length - end, b.length - end] as const]) {
    gap(rows, x, left, y, right)
    if (left < a.length - end) rows.push({ kind: 'same', a: left, b: right })
    ;[x, y] = [left + 1, right + 1]
  }
  for (let at = end; at > 0; at -= 1) rows.push({ kind: 'same', a: a.length - at, b: b.length - at })
  return rows
}

/** Lines between two that are the same: side by side as far as both texts have some. */
function gap(rows: LineRow[], x: number, toX: number, y: number, toY: number): void {
  for (; x < toX || y < toY; x += 1, y += 1) {
    const [a, b] = [x < toX ? x : undefined, y < toY ? y : undefined]
    rows.push({ kind: a === undefined ? 'added' : b === undefined ? 'removed' : 'changed', a, b })
  }
}

/** Folds the rows that are the same, except for some around each difference. */
export function folded(rows: readonly LineRow[], around = 3): (LineRow | Fold)[] {
  const keep = new Uint8Array(rows.length)
  rows.forEach((row, at) => {
    if (row.kind !== 'same') keep.fill(1, Math.max(0, at - around), at + around + 1)
  })
  const result: (LineRow | Fold)[] = []
  for (let at = 0; at < rows.length; ) {
    const row = rows[at]
    if (keep[at] || !row) {
      if (row) result.push(row)
      at += 1
      continue
    }
    let to = at
    while (to < rows.length && !keep[to]) to += 1
    // One line is shorter than the words that would stand for it.
    if (to - at === 1) result.push(row)
    else result.push({ kind: 'fold', from: at, to })
    at = to
  }
  return result
}

/** For one column: of lines that changed, first those of one text and then those of the other. */
export function unified(rows: readonly (LineRow | Fold)[]): (LineRow | Fold)[] {
  const result: (LineRow | Fold)[] = []
  let added: LineRow[] = []
  for (const row of rows) {
    if (row.kind === 'changed') {
      result.push({ kind: 'removed', a: row.a, b: undefined })
      added.push({ kind: 'added', a: undefined, b: row.b })
      continue
    }
    result.push(...added, row)
    added = []
  }
  return [...result, ...added]
}

/** What two lines have in common at both ends. */
export function differentPart(a: string, b: string): { begin: number; endA: number; endB: number } {
  let begin = 0
  while (begin < a.length && begin < b.length && a[begin] === b[begin]) begin += 1
  let end = 0
  while (end < a.length - begin && end < b.length - begin && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1
  return { begin, endA: a.length - end, endB: b.length - end }
}

/** A line with what is different in it, cut so that this can be seen. */
export function markedParts(text: string, begin: number, end: number, longest = 400): { before: string; marked: string; after: string } {
  const lead = begin > 60 ? begin - 40 : 0
  return {
    before: (lead > 0 ? '…' : '') + text.slice(lead, begin),
    marked: text.slice(begin, Math.min(end, begin + longest)),
    after: text.slice(Math.min(end, begin + longest), Math.min(text.length, Math.max(end, begin) + longest)),
  }
}
