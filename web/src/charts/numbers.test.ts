import { expect, it } from 'vitest'
import { numbersIn, numbersOf } from './numbers'

it('finds numbers at any depth, by JSON Pointer', () => {
  const result = { price: 1.5, 'a/b~c': { n: 2 }, list: [3, { x: 4 }, 'no', 5], yes: true, none: null, nan: NaN }
  expect([...numbersIn(result)]).toEqual([['/price', 1.5], ['/a~1b~0c/n', 2], ['/list/0', 3], ['/list/1/x', 4]])
  expect([...numbersIn(7)]).toEqual([['', 7]])
  expect([...numbersIn('text')]).toEqual([])
})

it('ends in deep and wide results', () => {
  let deep: unknown = 1
  for (let depth = 0; depth < 500; depth += 1) deep = { deep }
  expect([...numbersIn(deep)]).toEqual([])
  const wide = Object.fromEntries(Array.from({ length: 50_000 }, (_, at) => [`key${at}`, at]))
  expect(numbersOf([{ result: wide, at: 'now' }])).toHaveLength(100)
})

it('tells the last value of each, and how often it is there', () => {
  expect(numbersOf([{ result: { a: 3 }, at: 't3' }, { result: { a: 2, b: 9 }, at: 't2' }, { result: null, at: 't1' }])).toEqual([
    { path: '/a', count: 2, last: 3, last_at: 't3' },
    { path: '/b', count: 1, last: 9, last_at: 't2' },
  ])
})
