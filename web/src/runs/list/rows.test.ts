import { describe, expect, it } from 'vitest'
import type { Run } from '../../api/client'
import { parseExact } from '../result/exact'
import { compact } from '../preview'
import { rowOf } from './rows'

const RUN = {
  id: 'x', script: 's', version: 1, cause: 'api', schedule: null, created_at: '2026-01-01T00:00:00Z', run_at: '2026-01-01T00:00:00Z',
  started_at: '2026-01-01T00:00:00Z', finished_at: '2026-01-01T00:00:02Z', status: 'succeeded', reason: null, attempt: 1, usage: null,
  result: null, result_bytes: null, error: null,
} as unknown as Run

describe('a row', () => {
  it.each<[Partial<Run>, [string, string]]>([
    [{ result: { a: 1 }, result_bytes: 7 }, ['result', '{a: 1}']],
    [{ result: 'a\n\u202eb', result_bytes: 7 }, ['result', 'a [U+202E]b']],
    [{ result: null, result_bytes: 4 }, ['none', '']],
    [{ result: null, result_bytes: 40_000 }, ['large', '']],
    [{ status: 'failed', error: { type: 'ValueError', message: 'no\nnever', traceback: '' } }, ['error', 'ValueError: no never']],
    [{ status: 'failed', error: { type: 'SystemExit', message: '', traceback: 'a\nSystemExit: 3\n' } }, ['error', 'SystemExit: SystemExit: 3']],
    [{ status: 'running', result: 1 }, ['none', '']],
  ])('%j', (change, wanted) => {
    const { previewKind, preview } = rowOf({ ...RUN, ...change })
    expect([previewKind, preview]).toEqual(wanted)
  })

  it('takes the time of the sandbox, else that of the clock', () => {
    expect(rowOf(RUN).took).toBe(2000)
    expect(rowOf({ ...RUN, usage: { wall_ms: 12.5, fuel: 1, import_fuel: 0, peak_memory_bytes: 1, network: [] } }).took).toBe(12.5)
    expect(rowOf({ ...RUN, finished_at: null }).took).toBeNull()
  })

  it('is short, whatever the result', () => {
    const many = Object.fromEntries(Array.from({ length: 50_000 }, (_, at) => [`key${at}`, at]))
    expect(rowOf({ ...RUN, result: many, result_bytes: 9 }).preview.length).toBeLessThan(202)
    expect(compact(parseExact('{"price":1.0,"list":[1,null,"x"]}'))).toBe('{price: 1.0, list: [1, null, "x"]}')
  })
})
