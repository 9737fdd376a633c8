import { expect, it } from 'vitest'
import type { Alert } from '../api/client'
import { alertFilter, askedAlerts, deliveryFilter, found } from './filter'

it('reads the filter of alerts from an address, and leaves out what is unknown', () => {
  expect(alertFilter({ q: ' tea ', state: 'firing', notify: 'ops', script: 'price' })).toEqual({ q: 'tea', state: 'firing', notify: 'ops', script: 'price' })
  expect(alertFilter({ state: 'active', label: 'team=data', other: 'x', notify: ['a', 'b'] })).toEqual({ q: '', label: 'team=data' })
})

it('asks about one thing: an alert is about one', () => {
  expect(askedAlerts(alertFilter({ script: 'a', schedule: 'b', q: 'x' }))).toEqual({ script: 'a' })
})

it('reads the filter of messages', () => {
  expect(deliveryFilter({ channel: 'ops', run: '1', state: 'dead', script: '' })).toEqual({ channel: 'ops', run: '1', state: 'dead' })
  expect(deliveryFilter({ state: 'firing' })).toEqual({})
})

it('finds alerts by their names, conditions, subjects and channels', () => {
  const alert = (id: string, about: Alert['about'], text: string): Alert => ({ id, about, text, notify: ['ops'] }) as unknown as Alert
  const alerts = [alert('a', { script: 'Coffee' }, 'failed'), alert('b', { everything: true }, 'late 5m'), alert('c', { label: 'team=x' }, '/price > 5')]
  const ids = (typed: string): string[] => found(alerts, typed).map((each) => each.id)
  expect([ids(''), ids('coffee'), ids('TEAM'), ids('/price'), ids('ops'), ids('none')]).toEqual([['a', 'b', 'c'], ['a'], ['c'], ['c'], ['a', 'b', 'c'], []])
})
