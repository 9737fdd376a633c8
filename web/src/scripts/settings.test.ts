import { describe, expect, it } from 'vitest'
import { changesOf, formOfSettings, type SettingsForm, written } from './settings'

const EMPTY = formOfSettings({})
const changed = (change: Partial<SettingsForm>, before: SettingsForm = EMPTY) => changesOf(before, { ...structuredClone(before), ...change })

describe('settings', () => {
  it.each([[7_776_000, '90d'], [3600, '1h'], [90, '90s'], [120, '2m'], [10.5, '10.5s'], [0, '0s']])('%d seconds are %s', (seconds, text) => {
    expect(written(seconds)).toBe(text)
  })

  it('are shown as they are typed', () => {
    const form = formOfSettings({ limits: { timeout: '20s', memory: 1024 }, retries: { count: 2, delay: 10, backoff: 'exponential', max_delay: 3600 }, keep: { age: 7_776_000, count: 5 }, allow: ['a', 'b'], secrets: [], labels: { team: 'data' } })
    expect(form).toMatchObject({
      limits: { timeout: '20s', memory: '1024', fuel: '' }, retries: { count: '2', delay: '10s', backoff: 'exponential', max_delay: '1h' },
      keep: { age: '90d', count: '5', bytes: '' }, allow: 'a\nb', namesSecrets: true, secrets: '', labels: [{ key: 'team', value: 'data' }],
    })
    expect(changesOf(form, structuredClone(form))).toEqual({})
  })

  it('send only what was changed', () => {
    expect(changed({ title: ' New ', timezone: 'UTC' })).toEqual({ title: 'New', timezone: 'UTC' })
    expect(changed({ title: '' }, { ...EMPTY, title: 'Old' })).toEqual({ title: null })
    expect(changed({ limits: { ...EMPTY.limits, memory: '1GiB' } })).toEqual({ limits: { memory: '1GiB' } })
    expect(changed({ limits: EMPTY.limits }, { ...EMPTY, limits: { ...EMPTY.limits, fuel: '2e9' } })).toEqual({ limits: { fuel: null } })
    expect(changed({ keep: { ...EMPTY.keep, count: '5', age: '90d' } })).toEqual({ keep: { count: 5, age: '90d' } })
    expect(changed({ concurrency: '2' })).toEqual({ concurrency: 2 })
    expect(changed({ validate_args: true })).toEqual({ validate_args: true })
    expect(changed({ title: 'New' }, { ...EMPTY, heartbeat: 'https://hc-ping.com/…' })).toEqual({ title: 'New' })
    expect(changed({ heartbeat: ' https://hc-ping.com/5f2a ' }, { ...EMPTY, heartbeat: 'https://hc-ping.com/…' })).toEqual({ heartbeat: 'https://hc-ping.com/5f2a' })
    expect(changed({ heartbeat: '' }, { ...EMPTY, heartbeat: 'https://hc-ping.com/…' })).toEqual({ heartbeat: null })
  })

  it('send members that are new, other, or gone', () => {
    const before = { ...EMPTY, labels: [{ key: 'a', value: '1' }, { key: 'b', value: '2' }] }
    expect(changed({ labels: [{ key: 'b', value: '3' }, { key: ' c ', value: ' x ' }, { key: '', value: 'lost' }] }, before)).toEqual({ labels: { a: null, b: '3', c: ' x ' } })
    expect(changed({ env: [{ key: 'A', value: 'x\ny' }] })).toEqual({ env: { A: 'x\ny' } })
  })

  it('send retries as one', () => {
    expect(changed({ retries: { count: '3', delay: '10s', backoff: '', max_delay: '' } })).toEqual({ retries: { count: 3, delay: '10s' } })
    expect(changed({ retries: EMPTY.retries }, { ...EMPTY, retries: { count: '3', delay: '', backoff: '', max_delay: '' } })).toEqual({ retries: null })
    expect(changed({ retries: { count: 'many', delay: '', backoff: '', max_delay: '' } })).toEqual({ retries: { count: 'many' } })
  })

  it('send lists of lines', () => {
    expect(changed({ allow: 'a.example.com\n\n b.example.com ' })).toEqual({ allow: ['a.example.com', 'b.example.com'] })
    expect(changed({ allow: '' }, { ...EMPTY, allow: 'a' })).toEqual({ allow: null })
    expect(changed({ namesSecrets: true })).toEqual({ secrets: [] })
    expect(changed({ namesSecrets: true, secrets: 'A' })).toEqual({ secrets: ['A'] })
    expect(changed({ namesSecrets: false }, { ...EMPTY, namesSecrets: true, secrets: 'A' })).toEqual({ secrets: null })
    expect(changed({ retry_on: ['failed'] })).toEqual({ retry_on: ['failed'] })
    expect(changed({ retry_on: [] }, { ...EMPTY, retry_on: ['failed'] })).toEqual({ retry_on: null })
  })
})
