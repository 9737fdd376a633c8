import { expect, it } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import { alertAddress, chartAddress, runAddress, scheduleAddress, scriptAddress } from './addresses'
import { routes as alerts } from './alerts/routes'
import { routes as charts } from './charts/routes'
import { routes as runs } from './runs/routes'
import { routes as schedules } from './schedules/routes'
import { routes as scripts } from './scripts/routes'

const router = createRouter({ history: createMemoryHistory(), routes: [...scripts, ...schedules, ...runs, ...charts, ...alerts] })
const found = (address: string): unknown[] => {
  const { name, params } = router.resolve(address)
  return [name, ...Object.values(params)]
}

it.each(['price', 'new', 'New', 'edit', 'overview', 'compare', 'code', 'a.b', 'index.html', 'a_b-c', 'größe', '价格', 'a b', 'a/b', '50%', '%2F', 'a?b#c'])('%s has pages', (name) => {
  expect(found(scriptAddress(name))).toEqual(['script', name])
  expect(found(scriptAddress(name, 'code'))).toEqual(['script-code', name])
  expect(found(scriptAddress(name, 'settings'))).toEqual(['script-settings', name])
  expect(found(scheduleAddress(name))).toEqual(['schedule', name])
  expect(found(scheduleAddress(name, 'edit'))).toEqual(['edit schedule', name])
  expect(found(chartAddress(name))).toEqual(['chart', name])
  expect(found(alertAddress(name))).toEqual(['alert', name])
  expect(found(alertAddress(name, 'mute'))).toEqual(['mute alert', name])
})

it('leads to runs', () => {
  expect(found(runAddress('01a21bfa-4646-7e98-97d3-7f4c39998b50'))).toEqual(['run', '01a21bfa-4646-7e98-97d3-7f4c39998b50'])
})

it('is as it was for what is made, and for other names', () => {
  expect(['/scripts/new', '/schedules/new', '/charts/new', '/alerts/new', '/runs/compare'].map((address) => found(address)[0])).toEqual(['new-script', 'new schedule', 'new-chart', 'new alert', 'compare'])
  expect([scriptAddress('price'), scheduleAddress('a.b'), chartAddress('x')]).toEqual(['/scripts/price', '/schedules/a.b', '/charts/x'])
})
