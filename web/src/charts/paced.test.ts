import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Paced } from './paced'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('asks once for all who ask at the same time, and then not for a while', async () => {
  const paced = new Paced(1000)
  let asked = 0
  const question = () => Promise.resolve((asked += 1))
  expect(await Promise.all([paced.ask('a', question), paced.ask('a', question)])).toEqual([1, 1])
  const late = Promise.all([paced.ask('a', question), paced.ask('a', question)])
  await vi.advanceTimersByTimeAsync(900)
  expect(asked).toBe(1)
  await vi.advanceTimersByTimeAsync(200)
  expect(await late).toEqual([2, 2])
})

it('asks again at once after a failure, and keeps keys apart', async () => {
  const paced = new Paced(1000)
  await expect(paced.ask('a', () => Promise.reject(new Error('lost')))).rejects.toThrow('lost')
  expect(await paced.ask('a', () => Promise.resolve('back'))).toBe('back')
  expect(await paced.ask('b', () => Promise.resolve('other'))).toBe('other')
})
