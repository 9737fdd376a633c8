import { describe, expect, test } from 'vitest'
import type { Run, Schemas } from '../api/client'
import { hours, lateRuns, totals, verdict } from './verdict'

const count = (at: string, by_status: Record<string, number>): Schemas['Count'] => ({ at, by_status, total: 0 })
const healthy: Schemas['Ready'] = { ready: true, parts: { database: 'ok' }, warnings: [] }

describe('totals', () => {
  test('every status is in one group', () => {
    const counts = [
      count('2026-11-27T04:00:00Z', { succeeded: 5, failed: 1, timed_out: 1, running: 1 }),
      count('2026-11-27T05:00:00Z', { missed: 2, skipped: 1, abandoned: 1, cancelled: 1, out_of_fuel: 1, out_of_memory: 1, crashed: 1 }),
    ]
    expect(totals(counts)).toEqual({ succeeded: 5, failed: 5, notRun: 4, other: 2 })
  })
})

describe('verdict', () => {
  const none = totals([])
  test('all is well', () => expect(verdict(healthy, { ...none, succeeded: 9 }, 0, false, 0)).toBe('good'))
  test('a failure is bad', () => expect(verdict(healthy, { ...none, failed: 1 }, 0, false, 0)).toBe('bad'))
  test('a part that is away is bad', () => expect(verdict({ ...healthy, ready: false }, none, 0, false, 0)).toBe('bad'))
  test.each([
    ['missed', { ...none, notRun: 1 }, 0, false, 0],
    ['late', none, 1, false, 0],
    ['paused', none, 0, true, 0],
    ['an alert that fires', none, 0, false, 1],
  ] as const)('%s is a warning', (_, sum, late, isPaused, firing) => expect(verdict(healthy, sum, late, isPaused, firing)).toBe('warn'))
  test('a warning of the node is one', () => expect(verdict({ ...healthy, warnings: ['disk'] }, none, 0, false, 0)).toBe('warn'))
})

test('hours without runs are there', () => {
  const now = Date.parse('2026-11-27T05:20:00Z')
  const all = hours([count('2026-11-27T04:00:00.000000Z', { succeeded: 3 })], now, 3)
  expect(all.map((hour) => [new Date(hour.at).toISOString().slice(11, 16), hour.sum.succeeded])).toEqual([
    ['03:00', 0],
    ['04:00', 3],
    ['05:00', 0],
  ])
})

test('a run is late after a minute', () => {
  const run = (lateness_ms: number | null) => ({ lateness_ms }) as Run
  expect(lateRuns([run(null), run(60_000), run(60_001)])).toHaveLength(1)
})
