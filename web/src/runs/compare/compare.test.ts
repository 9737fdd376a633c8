import { describe, expect, it } from 'vitest'
import { parseExact, type Json } from '../result/exact'
import { compareLines, differentPart, folded, markedParts, unified, type LineRow } from './lines'
import { compareValues } from './values'

describe('values', () => {
  it.each<[string, string, string[]]>([
    ['1', '1', ['same ']],
    ['1', '1.0', ['changed ']],
    ['{"a":1,"b":2}', '{"b":3,"c":4}', ['removed /a', 'changed /b', 'added /c']],
    ['[1,2]', '[1]', ['same /0', 'removed /1']],
    ['{"a":{}}', '{"a":[]}', ['changed /a']],
    ['{"a":{}}', '{"a":{}}', ['same /a']],
    ['{"a/b":{"c":[1]}}', '{"a/b":{"c":[2]}}', ['changed /a~1b/c/0']],
    ['{"a":null}', '{}', ['removed /a']],
  ])('%s and %s', (a, b, wanted) => expect(compareValues(parseExact(a), parseExact(b)).map((row) => `${row.kind} ${row.pointer}`)).toEqual(wanted))

  it('takes 50,000 keys and 500 levels in a moment', () => {
    const many = (add: number): Json => Object.fromEntries(Array.from({ length: 50_000 }, (_, at) => [`key${at}`, at + add]))
    const began = performance.now()
    expect(compareValues(many(0), many(1)).filter((row) => row.kind === 'changed')).toHaveLength(50_000)
    const deep = (end: string): Json => parseExact('['.repeat(500) + end + ']'.repeat(500))
    expect(compareValues(deep('1'), deep('2'))).toHaveLength(1)
    expect(performance.now() - began).toBeLessThan(30_000)
  })
})

const SIGNS = { same: ' ', changed: '~', added: '+', removed: '-' }
const signs = (rows: LineRow[]): string => rows.map((row) => SIGNS[row.kind]).join('')

describe('lines', () => {
  it.each([
    ['', '', ''],
    ['abc', 'abc', '   '],
    ['abc', 'axc', ' ~ '],
    ['abc', 'ac', ' - '],
    ['ac', 'abc', ' + '],
    ['', 'ab', '++'],
    ['ab', '', '--'],
    ['abcd', 'bcde', '-   +'],
    ['abxcd', 'abycdz', '  ~  +'],
  ])('%j and %j', (a, b, wanted) => expect(signs(compareLines([...a], [...b]))).toBe(wanted))

  it('has every line of both, once and in order', () => {
    let seed = 7
    const random = (): number => (seed = (seed * 16807) % 2147483647) / 2147483647
    for (let turn = 0; turn < 200; turn += 1) {
      const make = (): string[] => Array.from({ length: Math.floor(random() * 20) }, () => 'abc'[Math.floor(random() * 3)] ?? 'a')
      const [a, b] = [make(), make()]
      const rows = compareLines(a, b)
      expect(rows.flatMap((row) => (row.a === undefined ? [] : [row.a]))).toEqual(a.map((_, at) => at))
      expect(rows.flatMap((row) => (row.b === undefined ? [] : [row.b]))).toEqual(b.map((_, at) => at))
      for (const row of rows) if (row.kind === 'same') expect(a[row.a ?? -1]).toBe(b[row.b ?? -1])
    }
  })

  it('ends in a moment, whatever the texts', () => {
    const began = performance.now()
    const a = Array.from({ length: 100_000 }, (_, at) => `a${at}`)
    expect(compareLines(a, a.map((line) => `${line}!`))).toHaveLength(100_000)
    const some = a.map((line, at) => (at % 1000 === 0 ? 'x' : line))
    expect(compareLines(a, some).filter((row) => row.kind !== 'same')).toHaveLength(100)
    expect(performance.now() - began).toBeLessThan(30_000)
  })

  it('folds what is the same', () => {
    const rows = compareLines([...'abcdefgh', 'x', ...'ijk'], [...'abcdefgh', 'y', ...'ijk'])
    expect(folded(rows, 1)).toEqual([
      { kind: 'fold', from: 0, to: 7 }, { kind: 'same', a: 7, b: 7 }, { kind: 'changed', a: 8, b: 8 }, { kind: 'same', a: 9, b: 9 },
      { kind: 'fold', from: 10, to: 12 },
    ])
    expect(folded(compareLines(['a', 'b'], ['a', 'x']), 0)).toEqual([{ kind: 'same', a: 0, b: 0 }, { kind: 'changed', a: 1, b: 1 }])
  })

  it('has one column where there is no room for two', () => {
    expect(unified(compareLines([...'abc'], [...'xyc'])).map((row) => row.kind)).toEqual(['removed', 'removed', 'added', 'added', 'same'])
    expect(unified(compareLines(['a'], ['b'])).map((row) => row.kind)).toEqual(['removed', 'added'])
  })

  it('finds the part of a line that is different', () => {
    expect(differentPart('price 12 EUR', 'price 130 EUR')).toEqual({ begin: 7, endA: 8, endB: 9 })
    expect(differentPart('aa', 'aaa')).toEqual({ begin: 2, endA: 2, endB: 3 })
    expect(markedParts('price 12 EUR', 7, 8)).toEqual({ before: 'price 1', marked: '2', after: ' EUR' })
    const long = 'x'.repeat(1_000_000)
    const parts = markedParts(`${long}y`, 1_000_000, 1_000_001)
    expect(parts.before.length + parts.marked.length + parts.after.length).toBeLessThan(200)
  })
})
