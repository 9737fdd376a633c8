import { expect, it } from 'vitest'
import { limitOf, type LimitName } from './limits'

const MIB = 2 ** 20

it.each<[LimitName, unknown, number | undefined]>([
  ['memory', '900MiB', 900 * MIB],
  ['memory', 1024, 1024],
  ['memory', '1 GiB', 1024 * MIB],
  ['memory', '1.5 KiB', 1536],
  ['output', '2 MB', 2e6],
  // A letter alone is a power of 1024, in capitals or not.
  ['memory', '256M', 256 * MIB],
  ['memory', '64k', 65_536],
  ['memory', '2g', 2048 * MIB],
  ['memory', '256mi', 256 * MIB],
  ['output', '1T', 2 ** 40],
  ['output', '1TB', 1e12],
  ['memory', '1e3B', 1000],
  ['memory', '.5k', 512],
  ['timeout', '30s', 30_000],
  ['timeout', '500ms', 500],
  ['timeout', '30m', 1_800_000],
  ['timeout', '2min', 120_000],
  ['timeout', 1.5, 1500],
  ['timeout', '7', 7000],
  ['timeout', '1h30m', 5_400_000],
  ['timeout', '1h 30m', 5_400_000],
  ['timeout', '2w', 1_209_600_000],
  ['fuel', '2e9', 2e9],
  ['fuel', 3e11, 3e11],
  ['fuel', '400G', 4e11],
  ['fuel', '2E+9', 2e9],
  ['fuel', '0', 0],
])('reads %s %j as %d', (name, written, number) => {
  expect(limitOf(name, written)).toBe(number)
})

it.each<[LimitName, unknown]>([
  ['memory', 'much'], ['memory', ''], ['memory', 'MiB'], ['memory', '-1'], ['memory', '3 apples'], ['memory', '1e99'], ['memory', '1..2'], ['memory', '1_000'], ['output', 'nan'],
  ['timeout', 'soon'], ['timeout', '1 parsec'], ['timeout', '1h30'], ['timeout', '5M'], ['timeout', '5s x'], ['timeout', '-1s'], ['timeout', ''],
  ['fuel', '3s'], ['fuel', '2 gallons'], ['fuel', null], ['fuel', { count: 1 }],
])('does not read %s %j', (name, written) => {
  expect(limitOf(name, written)).toBeUndefined()
})
