import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { effectScope, ref } from 'vue'
import type { Message } from '../../api/stream'

/** What each connection tells before it breaks. */
let told: Message[][] = []
/** What each connection goes on after. */
let asked: (string | undefined)[] = []
vi.mock('../../api/client', () => ({ ApiError: class extends Error {}, Unreachable: class extends Error {}, fetchOk: vi.fn() }))
vi.mock('../../api/live', () => ({ connection: ref('live') }))
vi.mock('../../api/stream', () => ({
  messages: async function* (_address: string, _signal: AbortSignal, after?: string) {
    asked.push(after)
    yield* told.shift() ?? []
  },
}))
const { useOutput } = await import('./reader')

const status = (id: string, status: string, attempt: number | null): Message => ({ id, event: 'status', data: JSON.stringify({ status, attempt }) })
const output = (id: string, stream: 'stdout' | 'stderr', offset: number, text: string): Message => ({ id, event: 'output', data: JSON.stringify({ stream, offset, text }) })
const end = (id: string): Message => ({ id, event: 'end', data: '{"status":"succeeded"}' })

beforeEach(() => {
  asked = []
  vi.useFakeTimers()
  vi.stubGlobal('requestAnimationFrame', (work: () => void) => setTimeout(work, 16))
  vi.stubGlobal('cancelAnimationFrame', clearTimeout)
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

async function shownOf(...connections: Message[][]): Promise<string[]> {
  told = connections
  const scope = effectScope()
  const read = scope.run(() => useOutput(() => 'r', () => false))
  await vi.advanceTimersByTimeAsync(1000)
  expect(read?.phase.value).toBe('done')
  scope.stop()
  return read?.lines.value.texts ?? []
}

it('shows another attempt from its beginning, on the same stream', async () => {
  const shown = await shownOf([
    status('0.0.0', 'queued', null),
    status('1.0.0', 'running', 1),
    output('1.4.0', 'stdout', 0, 'one\n'),
    output('1.4.4', 'stderr', 0, 'bad\n'),
    status('1.4.4', 'queued', null),
    status('2.0.0', 'running', 2),
    output('2.3.0', 'stdout', 0, 'two'),
    output('2.4.0', 'stdout', 3, '\n'),
    end('2.4.0'),
  ])
  expect(shown).toEqual(['two'])
  expect(asked).toEqual([undefined])
})

it('goes on where a connection broke', async () => {
  const shown = await shownOf(
    [status('1.0.0', 'running', 1), output('1.4.0', 'stdout', 0, 'one\n')],
    [status('1.4.0', 'running', 1), output('1.9.0', 'stdout', 4, 'more\n'), end('1.9.0')],
  )
  expect(shown).toEqual(['one', 'more'])
  expect(asked).toEqual([undefined, '1.4.0'])
})

it.each([
  ['runs', [status('2.0.0', 'running', 2), output('2.4.0', 'stdout', 0, 'two\n'), end('2.4.0')], ['two']],
  ['has ended', [output('2.0.4', 'stderr', 0, 'two\n'), end('2.0.4')], ['two']],
  ['has ended without a word', [end('2.0.0')], []],
])('shows an attempt that began while the connection was lost, and %s', async (_, second, wanted) => {
  const shown = await shownOf([status('1.0.0', 'running', 1), output('1.4.0', 'stdout', 0, 'one\n')], second)
  expect(shown).toEqual(wanted)
  expect(asked).toEqual([undefined, '1.4.0'])
})
