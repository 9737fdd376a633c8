import { expect, it } from 'vitest'
import { csvOf, plainCell, textCell } from './csv'

it('quotes what needs it', () => {
  expect(['a', 'a "b", c', 'x\ny', ''].map(textCell)).toEqual(['a', '"a ""b"", c"', '"x\ny"', ''])
  expect(csvOf([['a', 'b'], ['1', '']])).toBe('a,b\r\n1,\r\n')
})

it('has no text that a spreadsheet would calculate, and leaves numbers', () => {
  expect(['=1+1', '+1', '-1', '@x', '\tx', '=a,"b"'].map(textCell)).toEqual(["'=1+1", "'+1", "'-1", "'@x", "'\tx", '"\'=a,""b"""'])
  expect(plainCell('-1.5')).toBe('-1.5')
})
