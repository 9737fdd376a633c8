import { describe, expect, it } from 'vitest'
import { fromAddress, fromLocal, groupOf, GROUPS, isFiltered, moreCount, NO_FILTER, toAddress, toLocal, toQuestion, type RunFilter } from './filter'

const FULL: RunFilter = {
  id: '01a2', script: 'a b/ü', schedule: 'daily', label: 'team=data', since: '7d', until: '2026-11-27T00:00:00.000Z', min_duration: '10s',
  error_contains: 'time & out', result: '/price>100', status: ['failed', 'missed'], cause: 'fire',
}

describe('filter and address', () => {
  it('go into each other', () => {
    expect(fromAddress(toAddress(FULL))).toEqual(FULL)
    expect(fromAddress(Object.fromEntries(new URLSearchParams(toQuestion(FULL))))).toEqual(FULL)
    expect(toAddress(NO_FILTER)).toEqual({})
    expect(fromAddress({})).toEqual(NO_FILTER)
  })

  it.each<[Record<string, string | string[] | null>, Partial<RunFilter>]>([
    [{ status: 'missed,failed' }, { status: ['failed', 'missed'] }],
    [{ status: ['failed', 'missed'] }, { status: ['failed', 'missed'] }],
    [{ status: 'failed,nonsense,,failed' }, { status: ['failed'] }],
    [{ cause: 'nonsense', script: null, since: ['1h', '2h'] }, { since: '1h' }],
    [{ cause: 'constructor', status: 'toString' }, {}],
    [{ script: '  a ' }, { script: 'a' }],
  ])('%j', (query, wanted) => expect(fromAddress(query)).toEqual({ ...NO_FILTER, ...wanted }))

  it('asks the API', () => {
    expect(toQuestion({ ...NO_FILTER, status: ['failed', 'crashed'], result: '/a>1' }, { limit: '5' })).toBe('result=%2Fa%3E1&status=failed%2Ccrashed&limit=5')
  })

  it('knows what is set', () => {
    expect(isFiltered(NO_FILTER)).toBe(false)
    expect(isFiltered({ ...NO_FILTER, id: 'x' })).toBe(true)
    expect(moreCount(FULL)).toBe(6)
    expect(groupOf([])).toBe('all')
    expect(groupOf([...GROUPS.failed].reverse())).toBe('failed')
    expect(groupOf(['failed'])).toBeUndefined()
  })

  it('takes times of a field in the viewer’s zone', () => {
    expect(toLocal(fromLocal('2026-11-27T08:30'))).toBe('2026-11-27T08:30')
    expect(fromLocal('')).toBe('')
    expect(toLocal('7d')).toBe('')
    expect(toLocal('2026-99-99')).toBe('')
  })
})
