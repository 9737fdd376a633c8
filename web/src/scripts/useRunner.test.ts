import { expect, it, vi } from 'vitest'
import { ref } from 'vue'

const fetchOk = vi.fn(async (_address: string, _init: RequestInit) => new Response('{"id":"1"}'))
vi.mock('@tanstack/vue-query', () => ({ useQuery: () => ({ data: ref() }) }))
vi.mock('../api/client', () => ({ fetchOk, api: {}, ok: (value: unknown) => value }))
vi.mock('../api/queries', () => ({ refresh: async () => undefined }))
vi.mock('../ui/status', () => ({ isEnded: () => false }))
const { useRunner } = await import('./useRunner')

it('runs a script with arguments as they were typed', async () => {
  const runner = useRunner(ref('price'))
  runner.args.value = '{"n": 12345678901234567890}'
  await runner.start({ kind: 'saved' }, undefined)
  expect(fetchOk.mock.lastCall?.[0]).toBe('v1/scripts/price/runs')
  expect(fetchOk.mock.lastCall?.[1].body).toBe('{"args":{"n": 12345678901234567890}}')
  await runner.start({ kind: 'text', source: 'x', settings: {} }, 'x', 'main')
  expect(fetchOk.mock.lastCall?.[0]).toBe('v1/runs')
  expect(fetchOk.mock.lastCall?.[1].body).toBe('{"args":{"n": 12345678901234567890},"source":"x","name":"price-draft","entry":"main"}')
})
