import { expect, it } from 'vitest'
import type { Alert } from '../api/client'
import { aboutOf, alertBody, type AlertDraft, draftOf, emptyAlert, readKept, suggestedId } from './alert-form'

const draft = (part: Partial<AlertDraft>): AlertDraft => ({ ...emptyAlert(), ...part })

it('is about one thing, the chosen one', () => {
  const all = draft({ script: 'a', schedule: 'b', label: ' team=x ' })
  expect(aboutOf(all)).toEqual({ script: 'a' })
  expect(aboutOf({ ...all, kind: 'schedule' })).toEqual({ schedule: 'b' })
  expect(aboutOf({ ...all, kind: 'label' })).toEqual({ label: 'team=x' })
  expect(aboutOf({ ...all, kind: 'everything' })).toEqual({ everything: true })
  expect(aboutOf(draft({}))).toBeUndefined()
})

it('makes the request, and the draft of an alert makes the same again', () => {
  const body = alertBody(draft({ script: 'price', text: ' /price > 100 ', notify: ['ops'], repeat: '6h', recovered: false }))
  expect(body).toEqual({ about: { script: 'price' }, text: '/price > 100', notify: ['ops'], repeat: '6h', recovered: false })
  const alert = { id: 'x', ...body } as unknown as Alert
  expect(alertBody(draftOf(alert))).toEqual(body)
})

it.each([
  [{ script: 'price', text: '/price > 100' }, 'price.price-above-100'],
  [{ script: 'price', text: '/price changed 5%' }, 'price.price-changed-5'],
  [{ script: 'price', text: '/price outside 10..20' }, 'price.price-outside-10-20'],
  [{ kind: 'everything', text: 'failed 3' }, 'all.failed-3'],
  [{ kind: 'label', label: 'team=data', text: 'stale 26h' }, 'team-data.stale-26h'],
  [{ script: '价格', text: '' }, '价格'],
  [{}, ''],
] satisfies [Partial<AlertDraft>, string][])('%j is called %s', (part, name) => {
  expect(suggestedId(draft(part))).toBe(name)
})

it('reads a draft that was kept, and nothing that is none', () => {
  const kept = draft({ kind: 'label', label: 'a=b', notify: ['ops'], recovered: false })
  expect(readKept(JSON.parse(JSON.stringify({ draft: kept, etag: '"1"' })))).toEqual({ draft: kept, etag: '"1"' })
  expect(readKept({ draft: { kind: 'none', notify: [1, 'ops'], recovered: 'yes' } })).toEqual({ draft: draft({ notify: ['ops'] }), etag: undefined })
  expect([readKept('text'), readKept({}), readKept(undefined)]).toEqual([undefined, undefined, undefined])
})
