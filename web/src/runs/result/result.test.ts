import { describe, expect, it } from 'vitest'
import { Figure, parseExact, sameJson, writeExact, type Json } from './exact'
import { cellText, sorted, tableOf, toCsv } from './table'
import { firstDepth, treeRows } from './tree'

const all = (): boolean => true
const deep = (levels: number): string => '{"k":['.repeat(levels / 2) + '1' + ']}'.repeat(levels / 2)

describe('numbers as they were written', () => {
  it.each(['1.0', '123456789012345678901234567890', '1e-07', '-0.0', '[1.50,2]', '{"a":1E400}', '"1.0"', 'null', '12', '1.5'])('%s', (text) => {
    expect(writeExact(parseExact(text)).replace(/\s/g, '')).toBe(text)
  })

  it('are the same only as they are written', () => {
    expect(sameJson(parseExact('{"a":[1.0]}'), parseExact('{"a":[1.0]}'))).toBe(true)
    expect(sameJson(parseExact('1.0'), parseExact('1'))).toBe(false)
    expect(sameJson(parseExact('{"a":1}'), parseExact('{"b":1}'))).toBe(false)
    expect(sameJson([], {})).toBe(false)
  })

  it('writes what is deep and keeps the order of keys', () => {
    expect(writeExact({ b: 1, a: [[], {}, 'x'] })).toBe('{\n  "b": 1,\n  "a": [\n    [],\n    {},\n    "x"\n  ]\n}')
    expect(writeExact(parseExact(deep(500))).length).toBeGreaterThan(1000)
  })
})

describe('tree', () => {
  it('has a row for each part that is open', () => {
    const rows = treeRows({ a: 1, 'b/~': ['x', null], c: {} }, all)
    expect(rows.map(({ pointer, depth, kind, text, open }) => [pointer, depth, kind, text, open])).toEqual([
      ['', 0, 'object', '{…}', true],
      ['/a', 1, 'number', '1', undefined],
      ['/b~1~0', 1, 'list', '[…]', true],
      ['/b~1~0/0', 2, 'string', '"x"', undefined],
      ['/b~1~0/1', 2, 'null', 'null', undefined],
      ['/c', 1, 'object', '{…}', undefined],
    ])
    expect(treeRows({ a: [1] }, (pointer) => pointer === '')).toHaveLength(2)
    expect(rows[3]).toMatchObject({ place: 1, places: 2, isIndex: true })
  })

  it('gives an opened text rows of its own', () => {
    const rows = treeRows(['a\nb', 'x'.repeat(300)], all)
    expect(rows.map((row) => row.kind)).toEqual(['list', 'string', 'text', 'text', 'string', 'text', 'text', 'text'])
    expect(new Set(rows.map((row) => row.pointer)).size).toBe(rows.length)
  })

  it('makes what cannot be seen visible', () => expect(treeRows('\u202ea', all)[0]?.text).toBe('"[U+202E]a"'))

  it('takes 500 levels and 50,000 keys in a moment', () => {
    const began = performance.now()
    expect(treeRows(parseExact(deep(500)), all)).toHaveLength(501)
    const many: Json = Object.fromEntries(Array.from({ length: 50_000 }, (_, at) => [`key${at}`, at]))
    expect(treeRows(many, all)).toHaveLength(50_001)
    expect(performance.now() - began).toBeLessThan(30_000)
  })

  it('is opened so far that it fits', () => {
    expect(firstDepth({ a: { b: 1 } })).toBe(3)
    expect(firstDepth(Array.from({ length: 500 }, () => 1))).toBe(0)
    expect(firstDepth([Array.from({ length: 500 }, () => 1)])).toBe(1)
    expect(firstDepth(1)).toBe(1)
  })
})

describe('table', () => {
  it.each([
    [1, undefined],
    [[], undefined],
    [[1, 2], undefined],
    [[{ a: 1 }, 2], undefined],
    [[[1, 2]], undefined],
    [[{}, {}], undefined],
    [[{ a: 1 }, { b: 'x', a: null }], { columns: ['a', 'b'], rows: [[1, undefined], [null, 'x']], numbers: [true, false] }],
    [[['x', 1], ['y']], { columns: ['0', '1'], rows: [['x', 1], ['y', undefined]], numbers: [false, true] }],
  ] as [Json, unknown][])('%j', (value, wanted) => expect(tableOf(value)).toEqual(wanted))

  it('shows cells', () => {
    expect([undefined, null, 'x', 1.5, new Figure('1.0'), { a: [1] }, true].map(cellText)).toEqual(['', 'null', 'x', '1.5', '1.0', '{"a":[1]}', 'true'])
  })

  it('sorts numbers as numbers, and what has no value last', () => {
    const rows: Json[][] = [[10], ['b'], [null], [9], [new Figure('9.50')], ['a10'], ['a9']]
    const order = (descending: boolean) => sorted(rows, 0, descending).map((row) => cellText(row[0]))
    expect(order(false)).toEqual(['9', '9.50', '10', 'a9', 'a10', 'b', 'null'])
    expect(order(true)).toEqual(['b', 'a10', 'a9', '10', '9.50', '9', 'null'])
  })

  it('is written as CSV that spreadsheets do not run', () => {
    const table = tableOf([{ 'a,b': 'x"y', c: -1 }, { 'a,b': '=1+1', c: new Figure('1.0') }])
    expect(table && toCsv(table)).toBe('"a,b",c\r\n"x""y",-1\r\n\'=1+1,1.0\r\n')
  })
})
