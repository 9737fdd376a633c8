import { expect, it, vi } from 'vitest'

const fetchOk = vi.fn(async (_address: string, _init: RequestInit) => new Response('{"id":"1"}'))
vi.mock('../api/client', () => ({ fetchOk, api: {}, ok: (value: unknown) => value }))
vi.mock('../api/queries', () => ({ refresh: async () => undefined }))
vi.mock('../i18n', () => ({ t: (key: string) => key }))
vi.mock('../ui/confirm', () => ({}))
vi.mock('../ui/toasts', () => ({ said: () => undefined }))
const { start } = await import('./actions')

const bodyOf = async (...args: Parameters<typeof start>): Promise<unknown> => {
  await start(...args)
  return fetchOk.mock.lastCall?.[1].body
}

it('starts a schedule with arguments as they were typed', async () => {
  expect(await bodyOf('daily', '{"n": 12345678901234567890}')).toBe('{"args":{"n": 12345678901234567890}}')
  expect(await bodyOf('daily', ' ')).toBe('{"args":{}}')
  expect(await bodyOf('daily')).toBe('{}')
})
