/** Source code as lines, cut at its tokens. */

export interface SourceLine {
  number: number
  text: string
  /** Where its text begins in the whole. */
  from: number
}

/** Lines are as Python counts them. */
export function sourceLines(text: string): SourceLine[] {
  const lines: SourceLine[] = []
  let from = 0
  for (const each of text.split(/\r\n|\n|\r/)) {
    lines.push({ number: lines.length + 1, text: each, from })
    from += each.length
    from += text.startsWith('\r\n', from) ? 2 : 1
  }
  // After the last line's end is nothing.
  if (lines.length > 1 && lines.at(-1)?.text === '') lines.pop()
  return lines
}

/** The lines around one; all of them where `around` is Infinity. */
export function linesAround(lines: SourceLine[], line: number, around: number): SourceLine[] {
  return lines.filter(({ number }) => Math.abs(number - line) <= around)
}

export interface Piece {
  text: string
  classes: string
}

export interface Token {
  from: number
  to: number
  classes: string
}

/** A line cut at its tokens, which are those of the whole text in order. */
export function piecesOf({ from, text }: SourceLine, tokens: readonly Token[]): Piece[] {
  const pieces: Piece[] = []
  let at = from
  const end = from + text.length
  for (const token of tokens) {
    if (token.to <= at) continue
    if (token.from >= end) break
    if (token.from > at) pieces.push({ text: text.slice(at - from, token.from - from), classes: '' })
    const to = Math.min(token.to, end)
    pieces.push({ text: text.slice(Math.max(at, token.from) - from, to - from), classes: token.classes })
    at = to
  }
  if (at < end) pieces.push({ text: text.slice(at - from), classes: '' })
  return pieces
}
