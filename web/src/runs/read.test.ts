import { expect, it } from 'vitest'
import { Figure } from './result/exact'
import { readPage, readRun } from './read'

it('keeps the numbers of results and not those of the server', () => {
  const run = '{"lateness_ms":0.0,"usage":{"wall_ms":103.0,"fuel":5,"network":[{"ms":1.0}]},"limits":{"timeout":60.0},"result":{"price":1.0},"args":[2.50]}'
  const read = readRun(run)
  expect(read).toMatchObject({ lateness_ms: 0, usage: { wall_ms: 103, fuel: 5, network: [{ ms: 1 }] }, limits: { timeout: 60 } })
  expect(read.result).toEqual({ price: new Figure('1.0') })
  expect(read.args).toEqual([new Figure('2.50')])
  expect(readPage(`{"items":[${run}],"next_cursor":null}`).items[0]?.usage?.wall_ms).toBe(103)
})
