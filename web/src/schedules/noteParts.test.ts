import { expect, test } from 'vitest'
import { noteParts } from './noteParts'

test.each([
  ['02:30 does not exist on this day: first existing time', { kind: 'gap', time: '02:30' }],
  ['23:30:10 does not exist on 2026-03-29: first existing time', { kind: 'gap', time: '23:30:10', day: '2026-03-29' }],
  ['this time comes twice: first of two', { kind: 'first' }],
  ['this time comes twice: second of two', { kind: 'second' }],
  ['clocks went forward 1h since the last fire', { kind: 'forward', by: '1h' }],
  ['clocks went back 30m', { kind: 'back', by: '30m' }],
  ['something new', undefined],
])('%s', (note, parts) => {
  expect(noteParts(note)).toEqual(parts)
})
