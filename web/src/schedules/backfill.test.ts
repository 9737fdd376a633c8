import { expect, test } from 'vitest'
import { argsText } from '../ui/args/json'
import { jsonProblem } from './args'
import { progressOf } from './progress'

test('how far a backfill is', () => {
  const slots = [
    { by_status: { succeeded: 5, failed: 1, timed_out: 1, skipped: 1 } },
    { by_status: { running: 1, queued: 2, scheduled: 3 } },
  ]
  expect(progressOf(slots)).toEqual({ total: 14, done: 8, failed: 2 })
  expect(progressOf([])).toEqual({ total: 0, done: 0, failed: 0 })
})

test('arguments as a text and back', () => {
  expect(argsText({})).toBe('')
  expect(argsText([])).toBe('')
  expect(argsText(null)).toBe('')
  expect(JSON.parse(argsText({ symbol: 'INIT', days: [1, 2] }))).toEqual({ symbol: 'INIT', days: [1, 2] })
  expect(jsonProblem('')).toBeUndefined()
  expect(jsonProblem('[1]')).toBeUndefined()
  expect(jsonProblem('{"a":')).toMatch(/JSON/)
})
