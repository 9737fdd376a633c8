import { afterEach, beforeEach, expect, it, vi } from 'vitest'

/** As much as fits. */
const ROOM = 40
let stored: Map<string, string>
const storage = {
  getItem: (key: string) => stored.get(key) ?? null,
  setItem: (key: string, text: string) => {
    if (key.length + text.length > ROOM) throw new DOMException('no room', 'QuotaExceededError')
    stored.set(key, text)
  },
  removeItem: (key: string) => stored.delete(key),
}
/** The page after a reload. */
const page = async (): Promise<typeof import('./kept')> => {
  vi.resetModules()
  return import('./kept')
}

beforeEach(() => {
  stored = new Map()
  vi.stubGlobal('sessionStorage', storage)
})
afterEach(() => vi.unstubAllGlobals())

it('outlives a reload', async () => {
  const before = await page()
  before.keep('tab', 'a', { n: 1 })
  before.keepText('tab', 'b', 'text')
  const after = await page()
  expect([after.kept('tab', 'a'), after.keptText('tab', 'b')]).toEqual([{ n: 1 }, 'text'])
  after.dropKept('tab', 'a')
  expect([after.kept('tab', 'a'), (await page()).kept('tab', 'a')]).toEqual([undefined, undefined])
})

it('is still there where there is no room', async () => {
  const before = await page()
  before.keep('tab', 'a', 'short')
  const long = 'x'.repeat(ROOM)
  before.keep('tab', 'a', long)
  expect(before.kept('tab', 'a')).toBe(long)
  before.keep('tab', 'b', [1, 2, 3], 3)
  expect(before.kept('tab', 'b')).toEqual([1, 2, 3])
  const after = await page()
  expect([after.kept('tab', 'a'), after.kept('tab', 'b')]).toEqual(['short', undefined])
})

it('is a copy', async () => {
  const { keep, kept } = await page()
  const value = { n: 1 }
  keep('tab', 'a', value)
  value.n = 2
  expect(kept('tab', 'a')).toEqual({ n: 1 })
})

it('is of no harm where the browser keeps nothing', async () => {
  const { dropKept, keep, kept, keptText } = await page()
  vi.stubGlobal('localStorage', undefined)
  expect(kept('browser', 'a')).toBeUndefined()
  keep('browser', 'a', [1])
  expect([kept('browser', 'a'), keptText('browser', 'a')]).toEqual([[1], '[1]'])
  dropKept('browser', 'a')
  expect(kept('browser', 'a')).toBeUndefined()
})

it('is nothing when it cannot be read', async () => {
  stored.set('a', '{"n":')
  expect((await page()).kept('tab', 'a')).toBeUndefined()
})
