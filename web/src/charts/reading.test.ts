import { expect, it } from 'vitest'
import { moveCursor, nearest, readingsAt, stopsOf } from './reading'

const shown = [
  [{ at: 0, value: 1 }, { at: 10, value: null }, { at: 20, value: 3 }],
  [{ at: 9, value: 7 }],
]

it('stops where a line that is shown has a value', () => {
  expect(stopsOf({ shown }, new Set())).toEqual([0, 9, 20])
  expect(stopsOf({ shown }, new Set([1]))).toEqual([0, 20])
})

it('finds the nearest', () => {
  expect([-5, 4, 5, 14, 99].map((wanted) => nearest([0, 9, 20], wanted))).toEqual([0, 0, 1, 1, 2])
  expect(nearest([], 3)).toBe(-1)
})

it('reads the lines that have a value near it', () => {
  expect(readingsAt({ shown }, new Set(), 9, 3).map((reading) => reading.which)).toEqual([1])
  expect(readingsAt({ shown }, new Set(), 11, 9).map((reading) => [reading.which, reading.sample.at])).toEqual([[0, 20], [1, 9]])
  expect(readingsAt({ shown }, new Set([0]), 11, 9).map((reading) => reading.which)).toEqual([1])
})

it('moves by keys and stays inside', () => {
  expect(moveCursor('ArrowLeft', 0, 30)).toBe(0)
  expect(moveCursor('ArrowRight', 4, 30)).toBe(5)
  expect(moveCursor('PageUp', 10, 30)).toBe(7)
  expect(moveCursor('End', 4, 30)).toBe(29)
  expect(moveCursor('ArrowLeft', 30, 30)).toBe(29)
  expect(moveCursor('a', 4, 30)).toBeUndefined()
  expect(moveCursor('Home', 0, 0)).toBeUndefined()
})
