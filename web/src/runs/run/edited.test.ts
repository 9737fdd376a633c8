import { expect, it, vi } from 'vitest'
import type { Run } from '../../api/client'
import { parseExact } from '../result/exact'

vi.mock('../../api/client', () => ({}))
const { argsText, bodyOf, problemOf } = await import('./edited')

const run = (change: object): Run => ({ args: {}, argv: [], labels: {}, entry: null, ...change }) as unknown as Run

it('keeps arguments as they were written', () => {
  const args = parseExact('{"n":123456789012345678901234567890,"x":1.0}')
  expect(argsText(run({ args }))).toBe('{\n  "n": 123456789012345678901234567890,\n  "x": 1.0\n}')
  expect(bodyOf(run({}), '{"n":123456789012345678901234567890}', undefined)).toBe('{"args":{"n":123456789012345678901234567890}}')
})

it('sends what else the run had', () => {
  const body = bodyOf(run({ entry: 'main', argv: ['-v'], labels: { a: 'b' } }), ' [1] ', 3)
  expect(JSON.parse(body)).toEqual({ args: [1], entry: 'main', argv: ['-v'], labels: { a: 'b' }, version: 3 })
  expect(JSON.parse(bodyOf(run({}), '', undefined))).toEqual({ args: {} })
})

it.each([['{}', undefined], ['[1]', undefined], ['{', 'syntax'], ['', 'syntax'], ['1', 'kind'], ['null', 'kind']])('%j', (text, wanted) =>
  expect(problemOf(text)).toBe(wanted),
)

it('sends an integer of any size', () => {
  expect(bodyOf(run({ entry: 'main' }), '{"n": 12345678901234567890}', 2)).toBe('{"args":{"n": 12345678901234567890},"entry":"main","version":2}')
})
