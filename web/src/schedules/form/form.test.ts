import { describe, expect, test } from 'vitest'
import type { Schedule } from '../../api/client'
import { readSchedule } from '../read'
import { change, changedFields, creation, emptyForm, formOf, merge, readLabels, writeLabels } from './form'

const schedule = {
  id: 'daily', script: 'price', title: null, text: 'cron: 0 9 * * 1-5 @ Asia/Shanghai', args: { symbol: 'INIT' }, labels: { team: 'data' },
  settings: { misfire_grace_time: 300, overlap: 'queue_one', retries: { count: 3, delay: 10, backoff: 'exponential', max_delay: 3600 }, limits: { timeout: '30s' }, pause_on_failure: 3 },
} as unknown as Schedule

describe('a form', () => {
  test('of a schedule holds what it says itself', () => {
    expect(formOf(schedule)).toMatchObject({
      id: 'daily', script: 'price', title: '', trigger: '0 9 * * 1-5 @ Asia/Shanghai', labels: 'team=data', misfire_grace_time: '300', coalesce: '',
      overlap: 'queue_one', retries: '3', retryDelay: '10', timeout: '30s', memory: '', pause_on_failure: '3', priority: '',
    })
  })

  test('makes a new schedule of what is not empty', () => {
    const form = { ...emptyForm(), script: 'price', trigger: '*/15 * * * *', max_instances: '2', args: '{"a": 1}', misfire_grace_time: '5m', memory: '256MiB' }
    expect(JSON.parse(creation(form))).toEqual({
      script: 'price', trigger: '*/15 * * * *', max_instances: 2, args: { a: 1 }, misfire_grace_time: '5m', limits: { memory: '256MiB' },
    })
  })

  test('keeps integers of any size', () => {
    const large = readSchedule('{"id":"daily","script":"price","text":"every 1h","labels":{},"settings":{},"args":{"n":12345678901234567890,"x":1.0}}')
    const base = formOf(large)
    expect(base.args).toBe('{\n  "n": 12345678901234567890,\n  "x": 1.0\n}')
    expect(creation({ ...emptyForm(), script: 'price', args: '{"n": 12345678901234567890}' }, { paused: true })).toBe('{"args":{"n": 12345678901234567890},"script":"price","paused":true}')
    expect(change({ ...base, args: '{"n": 12345678901234567891}' }, base)).toBe('{"args":{"n": 12345678901234567891}}')
  })

  test('changes only what is another now', () => {
    const base = formOf(schedule)
    expect(JSON.parse(change({ ...base }, base))).toEqual({})
    expect(JSON.parse(change({ ...base, title: ' Prices ' }, base))).toEqual({ title: 'Prices' })
    expect(JSON.parse(change({ ...base, overlap: '', args: '', labels: '' }, base))).toEqual({ overlap: null, args: null, labels: null })
    expect(JSON.parse(change({ ...base, memory: '64MiB' }, base))).toEqual({ limits: { timeout: '30s', memory: '64MiB' } })
    expect(JSON.parse(change({ ...base, retries: '5' }, base))).toEqual({ retries: { count: 5, delay: 10, backoff: 'exponential', max_delay: 3600 } })
    expect(JSON.parse(change({ ...base, retries: '' }, base))).toEqual({ retries: null })
    expect(JSON.parse(change({ ...base, priority: 'high' }, base))).toEqual({ priority: 'high' })
  })
})

describe('two who change one schedule', () => {
  const base = formOf(schedule)
  test('each another field: both hold', () => {
    const { form, conflicts, taken } = merge(base, { ...base, title: 'Mine' }, { ...base, overlap: 'skip' })
    expect(form).toMatchObject({ title: 'Mine', overlap: 'skip' })
    expect([conflicts, taken]).toEqual([[], ['overlap']])
  })
  test('the same field: what was typed stays, and is told', () => {
    const { form, conflicts } = merge(base, { ...base, title: 'Mine' }, { ...base, title: 'Theirs' })
    expect(form.title).toBe('Mine')
    expect(conflicts).toEqual(['title'])
  })
  test('the same change is none', () => {
    expect(merge(base, { ...base, title: 'Same' }, { ...base, title: 'Same' })).toMatchObject({ conflicts: [], taken: [] })
  })
  test('nobody changed anything', () => {
    expect(changedFields(base, merge(base, base, base).form)).toEqual([])
  })
})

test('labels', () => {
  expect(readLabels('team=data\n a = b=c \n\nalone')).toEqual({ team: 'data', a: 'b=c', alone: '' })
  expect(writeLabels({ team: 'data', a: 'b' })).toBe('team=data\na=b')
})
