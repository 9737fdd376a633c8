import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { effectScope } from 'vue'
import { useLater } from './later'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

it('does the last work, after the wait', () => {
  const done: string[] = []
  const later = useLater()
  later.call(100, () => done.push('first'))
  vi.advanceTimersByTime(99)
  later.call(100, () => done.push('second'))
  vi.advanceTimersByTime(99)
  expect(done).toEqual([])
  vi.advanceTimersByTime(1)
  expect(done).toEqual(['second'])
})

it('does nothing when it is stopped, or its part of the page is gone', () => {
  const work = vi.fn()
  const stopped = useLater()
  stopped.call(100, work)
  stopped.stop()
  const scope = effectScope()
  scope.run(() => useLater().call(100, work))
  scope.stop()
  vi.advanceTimersByTime(1000)
  expect(work).not.toHaveBeenCalled()
})
