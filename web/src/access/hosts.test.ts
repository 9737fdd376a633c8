import { expect, it } from 'vitest'
import { covers, overlap } from './hosts'

it.each<[string[], string, boolean]>([
  [['a.example.com'], 'A.example.com', true],
  [['a.example.com'], 'b.example.com', false],
  [['a.example.com'], 'a.example.com.', true],
  [['xn--bcher-kva.example'], 'bücher.example', true],
  [['*.xn--bcher-kva.example'], 'a.bücher.example:443', true],
  [['*.example.com'], 'a.b.example.com', true],
  [['*.example.com'], 'a.b.example.com:80', true],
  [['*.example.com'], 'example.com', false],
  [['*.example.com'], 'badexample.com', false],
  [['*.example.com'], '*.badexample.com', false],
  [['*.example.com'], '*.example.com', true],
  [['*.example.com'], '*.a.example.com', true],
  [['*.a.example.com'], '*.example.com', false],
  [['example.com'], '*.example.com', false],
  [['a.example.com'], 'a.example.com:443', true],
  [['a.example.com:443'], 'a.example.com', false],
  [['a.example.com:443', 'a.example.com:80'], 'a.example.com', true],
  [['a.example.com'], 'a.example.com:8443', false],
  [['*.example.com:443'], 'a.example.com', false],
  [['10.0.0.1'], '10.0.0.1', true],
  [['10.0.0.1'], '10.0.0.2', false],
  [['[fd00::1]:6379'], '[FD00::1]:6379', true],
  [['[fd00::1]:6379'], '[fd00::1]:80', false],
  [['[fd00::1]'], '[fd00::1]:443', true],
  [['[fd00::1]'], '[fd00::1]', true],
  // The last part of an address is no port.
  [['[fd00::443]'], '[fd00::80]', false],
  [[], 'a.example.com', false],
])('%j reach %s: %s', (granted, host, yes) => {
  expect(covers(granted, host)).toBe(yes)
})

it.each<[string, string, boolean]>([
  ['*.example.com', 'a.example.com:443', true],
  ['a.example.com:443', '*.example.com', true],
  ['a.example.com', 'a.example.com:443', true],
  ['a.example.com:80', 'a.example.com:443', false],
  ['a.example.com', 'b.example.com', false],
])('%s and %s have something in common: %s', (one, other, yes) => {
  expect(overlap(one, other)).toBe(yes)
})
