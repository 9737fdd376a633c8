import { describe, expect, it } from 'vitest'
import { OutputLines } from './lines'
import { findHits, MOST_HITS, segments } from './segments'
import { rowCount, rowEnds, RowIndex } from './wrap'

const E = '\u001b'
const of = (...pieces: string[]): OutputLines => {
  const lines = new OutputLines()
  for (const piece of pieces) lines.append('stdout', piece)
  lines.finish()
  return lines
}

describe('lines', () => {
  it.each([
    ['', []],
    ['a', ['a']],
    ['a\n', ['a']],
    ['a\n\nb', ['a', '', 'b']],
    ['\n\n', ['', '']],
    ['a\r\nb\r\n', ['a', 'b']],
    ['a\r\r\nb', ['a', 'b']],
    ['1%\r50%\r100%\nend', ['^M100%', 'end']],
    ['\rfirst', ['first']],
  ])('%j', (text, wanted) => {
    expect(of(text).texts).toEqual(wanted)
    expect(of(...text).texts).toEqual(wanted)
  })

  it('goes on with a line of one stream after the other wrote', () => {
    const lines = new OutputLines()
    lines.append('stdout', 'one ')
    lines.append('stderr', 'warning\n')
    lines.append('stdout', 'two\nthree')
    expect(lines.texts).toEqual(['one two', 'warning', 'three'])
    expect(lines.streams).toEqual(['stdout', 'stderr', 'stdout'])
  })

  it('tells the first line that changed', () => {
    const lines = of('a\nb')
    expect(lines.takeChanged()).toBe(0)
    expect(lines.takeChanged()).toBe(Infinity)
    lines.append('stdout', 'c')
    expect(lines.takeChanged()).toBe(1)
    lines.append('stdout', '\nd')
    expect(lines.takeChanged()).toBe(2)
  })

  it('knows where a line has a style', () => {
    const lines = of(`a${E}[31mb`, `c\nd${E}[0me`)
    expect(lines.spans.get(0)).toEqual([{ from: 1, to: 3, style: { fg: 1 } }])
    expect(lines.spans.get(1)).toEqual([{ from: 0, to: 1, style: { fg: 1 } }])
  })

  it('takes 100,000 lines in a moment', () => {
    const began = performance.now()
    expect(of('a line of output\n'.repeat(100_000)).texts).toHaveLength(100_000)
    expect(performance.now() - began).toBeLessThan(30_000)
  })
})

describe('rows', () => {
  it.each([
    ['', 10, [0]],
    ['0123456789', 10, [10]],
    ['0123456789a', 10, [10, 11]],
    ['价格价格', 4, [2, 4]],
    ['a价格', 4, [2, 3]],
    ['😀😀', 3, [2, 4]],
    ['■■■é', 4, [4]],
    ['a\tb', 9, [3]],
    ['a\tb', 8, [2, 3]],
    ['\u0301\u0301', 4, [2]],
  ])('%j in rows of %i', (text, columns, wanted) => {
    expect(rowEnds(text, columns)).toEqual(wanted)
    expect(rowCount(text, columns)).toBe(wanted.length)
  })

  it('finds the line of a row and the row of a character', () => {
    const texts = ['abc', '', '0123456789', 'z']
    const index = new RowIndex(4, (line) => texts[line] ?? '')
    index.update(0, 4)
    expect(index.rows).toBe(6)
    expect([0, 1, 2, 3, 4, 5].map((row) => index.lineOf(row))).toEqual([0, 1, 2, 2, 2, 3])
    expect(index.part(3, 2)).toEqual([4, 8])
    expect(index.part(4, 2)).toEqual([8, 10])
    expect(index.rowOf(2, 9)).toBe(4)
    texts[3] = 'zzzzzzzz'
    index.update(3, 4)
    expect(index.rows).toBe(7)
    index.update(Infinity, 4)
    expect(index.rows).toBe(7)
  })
})

describe('segments', () => {
  const texts = (pieces: ReturnType<typeof segments>) => pieces.map((piece) => [piece.text, piece.look.classes, piece.hit])

  it('cuts at styles and hits', () => {
    const spans = [{ from: 2, to: 6, style: { fg: 1 } }]
    const hits = [{ line: 0, from: 0, to: 1 }, { line: 1, from: 4, to: 8 }]
    expect(texts(segments('0123456789', [1, 10], spans, hits, 1, hits[1]))).toEqual([
      ['1', '', 'no'], ['23', 'ansi-1', 'no'], ['45', 'ansi-1', 'now'], ['67', '', 'now'], ['89', '', 'no'],
    ])
    expect(texts(segments('0123', [0, 4], undefined))).toEqual([['0123', '', 'no']])
    expect(segments('', [0, 0], undefined)).toEqual([])
  })

  it('finds text whatever its case and signs', () => {
    const lines = ['Price [1]', 'no', 'PRICE [1] price (2)', 'İstanbul a-b/c\\d']
    const find = (wanted: string) => findHits(wanted, lines.length, (line) => lines[line] ?? '')
    expect(find('price')).toHaveLength(3)
    expect(find('[1]')).toEqual([{ line: 0, from: 6, to: 9 }, { line: 2, from: 6, to: 9 }])
    expect(find('a-b/c\\d')).toHaveLength(1)
    expect(find('(')).toHaveLength(1)
    expect(find('')).toEqual([])
    expect(findHits('a', 1, () => 'a'.repeat(20_000))).toHaveLength(MOST_HITS)
  })
})
