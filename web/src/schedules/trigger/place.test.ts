import { expect, test } from 'vitest'
import { caretLines, fieldAt } from './place'

test('a caret below the place', () => {
  expect(caretLines('0 9 * * 1-8', 11)).toEqual(['0 9 * * 1-8', '          ^'])
  expect(caretLines('every', 99)).toEqual(['every', '     ^'])
  const [line, caret] = caretLines('x'.repeat(200), 101)
  expect([line.length, caret.length]).toEqual([82, 42])
})

test('the field of a crontab', () => {
  expect(fieldAt('0 25 * * *', 3)).toBe(1)
  expect(fieldAt('0 9 * * 1-8 @ UTC', 11)).toBe(4)
  expect(fieldAt('cron: 60 * * * *', 7)).toBe(0)
  expect(fieldAt('0 9 * * * @ Nowhere', 13)).toBeUndefined()
  expect(fieldAt('0 9 * * *', undefined)).toBeUndefined()
})
