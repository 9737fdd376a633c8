import { expect, it } from 'vitest'
import { pageOf } from './audit'

it('an object of the audit log leads to its page, if it has one', () => {
  expect(pageOf('scripts/price')).toBe('/scripts/price')
  expect(pageOf('scripts/price/state')).toBe('/scripts/price')
  expect(pageOf('schedules/a b')).toBe('/schedules/a%20b')
  expect(pageOf('grants/price/host/api.example.com')).toBe('/access/grants?script=price')
  expect(pageOf('secrets/KEY')).toBe('/access/secrets')
  expect(pageOf('keys')).toBe('/access/secrets')
  expect(pageOf('scheduler')).toBeUndefined()
  expect(pageOf('scripts')).toBeUndefined()
  expect(pageOf('scripts/price/runs/x')).toBeUndefined()
  expect(pageOf('session')).toBeUndefined()
})
