import { describe, expect, test } from 'vitest'
import type { Run } from '../../api/client'
import { countOf, group, kindOf, markOf, markOfCount, markOfPlan, together, totals, type Mark } from './marks'

const MINUTE = 60_000
const START = Date.parse('2026-11-27T00:00:00Z')
const iso = (at: number): string => new Date(at).toISOString()

function run(minute: number, more: Partial<Run> = {}): Run {
  const at = iso(START + minute * MINUTE)
  return { id: `run-${minute}`, status: 'succeeded', created_at: at, fire_time: at, lateness_ms: 5, cause: 'fire', reason: null, error: null, ...more } as Run
}

describe('kinds', () => {
  test.each([
    ['succeeded', 10, 'succeeded'], ['succeeded', 60_001, 'late'], ['succeeded', null, 'succeeded'], ['failed', 90_000, 'failed'],
    ['timed_out', null, 'failed'], ['out_of_memory', null, 'failed'], ['abandoned', null, 'failed'], ['cancelled', null, 'cancelled'],
    ['missed', null, 'missed'], ['skipped', null, 'skipped'], ['running', 3, 'running'], ['queued', null, 'waiting'], ['scheduled', null, 'waiting'],
  ] as const)('%s, %s ms late, is %s', (status, late, kind) => {
    expect(kindOf(status, late)).toBe(kind)
  })
})

describe('marks', () => {
  test('a run is at its fire time, else at the time it was made', () => {
    expect(markOf(run(3, { created_at: iso(START + 9 * MINUTE) }))).toMatchObject({ at: START + 3 * MINUTE, madeFrom: START + 9 * MINUTE })
    expect(markOf(run(3, { fire_time: null })).at).toBe(START + 3 * MINUTE)
  })

  test('one row for many fire times', () => {
    const mark = markOf(run(0, { status: 'missed', count: 500, fire_time_until: iso(START + 500 * MINUTE), reason: 'catchup_limit' }))
    expect(mark).toMatchObject({ kind: 'missed', counts: { missed: 500 }, until: START + 500 * MINUTE })
  })

  test('a slot of counts', () => {
    const mark = markOfCount({ at: iso(START), total: 15, by_status: { succeeded: 12, failed: 1, timed_out: 2 } }, 15 * MINUTE)
    expect(mark).toMatchObject({ kind: 'failed', counts: { succeeded: 12, failed: 3 } })
    expect(countOf(mark)).toBe(15)
  })
})

describe('groups', () => {
  const place = (at: number): number => (at - START) / MINUTE

  test('far marks stay alone, with their run', () => {
    const groups = group([markOf(run(0)), markOf(run(20))], place, 10)
    expect(groups.map(({ x, run }) => [x, run?.id])).toEqual([[0, 'run-0'], [20, 'run-20']])
  })

  test('close marks are one group that looks as the worst of them', () => {
    const marks = [markOf(run(2)), markOf(run(0)), markOf(run(1, { status: 'failed', error: { message: 'no', traceback: '', type: 'E' } }))]
    const [only, ...rest] = group(marks, place, 10)
    expect(rest).toEqual([])
    expect(only).toMatchObject({ kind: 'failed', x: 0, end: 2, counts: { succeeded: 2, failed: 1 } })
    expect(only?.run).toBeUndefined()
    expect(only?.told[0]?.run?.error).toBe('no')
  })

  test('a group is at most as wide as the gap, however many follow', () => {
    const marks = Array.from({ length: 1440 }, (_, minute) => markOf(run(minute)))
    const groups = group(marks, place, 10)
    expect(groups).toHaveLength(144)
    expect(groups.every((each) => countOf(each) === 10 && each.told.length === 4)).toBe(true)
  })

  test('what is planned is a group of its own', () => {
    const groups = group([markOf(run(0)), markOfPlan({ at: iso(START + MINUTE), local: '', note: null })], place, 10)
    expect(groups.map(({ kind }) => kind)).toEqual(['succeeded', 'planned'])
  })

  test('groups do not change the marks', () => {
    const marks: Mark[] = [markOf(run(0)), markOf(run(1))]
    group(marks, place, 10)
    expect(marks.map(({ counts }) => counts)).toEqual([{ succeeded: 1 }, { succeeded: 1 }])
    expect(totals(marks)).toEqual({ succeeded: 2 })
  })

  test('10,000 marks are grouped quickly', () => {
    const marks = Array.from({ length: 10_000 }, (_, minute) => markOf(run(minute)))
    const before = performance.now()
    group(marks, place, 10)
    expect(performance.now() - before).toBeLessThan(30_000)
  })
})

test('a run of two answers is as the newer one tells it, once', () => {
  const all = together([markOf(run(0, { status: 'running' })), markOf(run(1))], [markOf(run(0)), markOf(run(2, { status: 'running' }))])
  expect(all.map((mark) => `${mark.run?.id} ${mark.kind}`)).toEqual(['run-1 succeeded', 'run-0 succeeded', 'run-2 running'])
})
