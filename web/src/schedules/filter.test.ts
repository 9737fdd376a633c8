import { expect, test } from 'vitest'
import type { Schedule } from '../api/client'
import { asked, filterOf, found } from './filter'

test('the filter comes from the address; what is not a state is left out', () => {
  expect(filterOf({ script: 'price', state: 'paused', q: 'da' })).toEqual({ script: 'price', state: 'paused', q: 'da' })
  expect(filterOf({ state: 'sleeping', script: ['a', 'b'] })).toEqual({ q: '' })
  expect(asked({ script: 'price', q: 'x' })).toEqual({ script: 'price' })
  expect(filterOf({ order: 'soonest' })).toEqual({ q: '', isSoonest: true })
  expect(asked({ q: '', isSoonest: true })).toHaveProperty('until')
})

test('the search looks at id, title, script and labels', () => {
  const schedules = [
    { id: 'daily', title: 'Prices', script: 'price', labels: { team: 'data' } },
    { id: 'night', title: null, script: 'load', labels: {} },
  ] as unknown as Schedule[]
  const ids = (text: string) => found(schedules, text).map(({ id }) => id)
  expect(ids('')).toEqual(['daily', 'night'])
  expect(ids(' PRICES ')).toEqual(['daily'])
  expect(ids('team=data')).toEqual(['daily'])
  expect(ids('load')).toEqual(['night'])
})
