import { expect, it } from 'vitest'
import { csv } from './csv'
import type { Line } from './series'

const line = (label: string, samples: Line['samples']): Line => ({ key: label, label, script: 's', samples })
const NOON = Date.UTC(2026, 10, 27, 12)

it('has a row for each time and a column for each line', () => {
  const text = csv([line('price', [{ at: NOON, value: 99.75 }, { at: NOON + 1000, value: null }]), line('volume', [{ at: NOON - 1000, value: 1e21 }, { at: NOON, value: 0 }])])
  expect(text).toBe(
    'time,price,volume\r\n2026-11-27T11:59:59.000Z,,1e+21\r\n2026-11-27T12:00:00.000Z,99.75,0\r\n2026-11-27T12:00:01.000Z,,\r\n',
  )
})

it('quotes what needs it, and is no formula for a spreadsheet', () => {
  expect(csv([line('a "b", c', []), line('=1+1', []), line('x\ny', [])])).toBe('time,"a ""b"", c",\'=1+1,"x\ny"\r\n')
})
