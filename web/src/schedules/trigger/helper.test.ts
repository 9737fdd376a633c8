import { describe, expect, test } from 'vitest'
import { cronFields, readSpan, writeSpan, writeText, type Core } from './model'
import { readJson } from './json'
import { canAlign, coreOf, presetOf, weekdaysOf, withCore, type Preset } from './presets'
import { readText } from './text'

const cron = (crontab: string): Core => ({ type: 'cron', crontab })

describe('presets, text and fields', () => {
  const PAIRS: [Preset, string][] = [
    [{ kind: 'every', count: 1, unit: 'minutes', aligned: true }, '* * * * *'],
    [{ kind: 'every', count: 15, unit: 'minutes', aligned: true }, '*/15 * * * *'],
    [{ kind: 'every', count: 6, unit: 'hours', aligned: true }, '0 */6 * * *'],
    [{ kind: 'every', count: 15, unit: 'minutes', aligned: false }, 'every 15m'],
    [{ kind: 'every', count: 7, unit: 'minutes', aligned: false }, 'every 7m'],
    [{ kind: 'every', count: 90, unit: 'minutes', aligned: false }, 'every 1h30m'],
    [{ kind: 'every', count: 10, unit: 'seconds', aligned: false }, 'every 10s'],
    [{ kind: 'every', count: 3, unit: 'days', aligned: false }, 'every 3d'],
    [{ kind: 'hourly', minute: 0 }, '0 * * * *'],
    [{ kind: 'hourly', minute: 20 }, '20 * * * *'],
    [{ kind: 'daily', time: '09:05' }, '5 9 * * *'],
    [{ kind: 'weekdays', time: '18:30' }, '30 18 * * 1-5'],
    [{ kind: 'weekly', days: [0, 3], time: '09:00' }, '0 9 * * 0,3'],
    [{ kind: 'monthly', day: 15, time: '09:00' }, '0 9 15 * *'],
    [{ kind: 'monthly', day: 'last', time: '00:00' }, '0 0 L * *'],
    [{ kind: 'monthlyWeekday', nth: 2, weekday: 5, time: '00:00' }, '0 0 * * FRI#2'],
    [{ kind: 'monthlyWeekday', nth: 'last', weekday: 1, time: '10:00' }, '0 10 * * MONL'],
    [{ kind: 'calendar', count: 2, unit: 'weeks', time: '09:00' }, 'every 2 weeks at 09:00'],
    [{ kind: 'calendar', count: 1, unit: 'months', time: '09:00' }, 'every 1 month at 09:00'],
    [{ kind: 'once', at: '2026-12-24T18:00' }, 'at 2026-12-24T18:00'],
    [{ kind: 'after', script: 'load', on: 'succeeded' }, 'after load'],
    [{ kind: 'after', script: '*', on: 'missed' }, 'after * on missed'],
    [{ kind: 'afterLabel', label: 'team=data', on: 'any' }, 'after label "team=data" on any'],
  ]
  test.each(PAIRS)('%j is %s, and back', (preset, text) => {
    expect(writeText({ core: coreOf(preset), options: {} })).toBe(text)
    const read = readText(text)
    expect(read && presetOf(read.core)).toEqual(preset)
    expect(read && writeText(read)).toBe(text)
  })

  test.each(PAIRS.filter(([, text]) => /^[\d*]/.test(text)))('%j has the five fields of %s', (preset, text) => {
    const core = coreOf(preset)
    expect(core.type === 'cron' && cronFields(core.crontab)?.join(' ')).toBe(text)
    expect(presetOf(cron(text))).toEqual(preset)
  })

  test.each([
    ['@daily', { kind: 'daily', time: '00:00' }],
    ['@hourly', { kind: 'hourly', minute: 0 }],
    ['0 9 * * mon-fri', { kind: 'weekdays', time: '09:00' }],
    ['0 9 * * 5-7', { kind: 'weekly', days: [0, 5, 6], time: '09:00' }],
    ['0 9 * * 5L', { kind: 'monthlyWeekday', nth: 'last', weekday: 5, time: '09:00' }],
    ['@every 5m', { kind: 'every', count: 5, unit: 'minutes', aligned: false }],
    ['every month', { kind: 'calendar', count: 1, unit: 'months', time: '00:00' }],
    ['every 2 hours', { kind: 'every', count: 2, unit: 'hours', aligned: false }],
    ['at 2026-12-24 18:00', { kind: 'once', at: '2026-12-24T18:00' }],
  ] as const)('%s is read as a preset', (text, preset) => {
    const read = readText(text)
    expect(read && presetOf(read.core)).toEqual(preset)
  })

  test.each([
    '0 9 1 * 1', '0 9 * 1 *', '*/7 * * * *', '0,30 9 * * *', '0 9-17 * * *', '0 9 32 * *', '0 25 * * *', '60 * * * *', '0 9 * * 8',
    'fields: hour=9 minute=*/5', 'every 1 month 2 days at 09:00', 'at 2026-12-24T18:00+01:00', 'at 2026-10-25T02:30 fold=1',
  ])('%s is read, and is not a preset', (text) => {
    const read = readText(text)
    expect(read).toBeDefined()
    expect(read && presetOf(read.core)).toBeUndefined()
    expect(read && writeText(read)).toBe(text)
  })

  test.each([
    '', 'hello', '(0 9 1 * * or 0 18 15 * *)', '0 9 * * * or every 5m', 'every', 'every 5', 'every 0m', 'every 1 day 2 hours', 'at noon',
    'after', 'after load on friday', '0 9 * * * max many', '0 9 * * * until', 'fields: hour', '0 9 * * * dst maybe',
  ])('"%s" stays in the text view', (text) => {
    expect(readText(text)).toBeUndefined()
  })

  test('a line with four or six fields has no fields', () => {
    expect(cronFields('0 9 * *')).toBeUndefined()
    expect(cronFields('0 9 * * * *')).toBeUndefined()
  })
})

describe('options', () => {
  const TEXT = 'every 2m @ Europe/Berlin from 2026-11-27T04:17:23+00:00 until 2027-01-01 jitter 30s max 10 except 2026-12-24..2026-12-26, 2026-12-31'
  test('are read and written', () => {
    const read = readText(TEXT)
    expect(read?.options).toEqual({
      zone: 'Europe/Berlin', from: '2026-11-27T04:17:23+00:00', until: '2027-01-01', jitter: '30s', max: 10,
      except: ['2026-12-24..2026-12-26', '2026-12-31'],
    })
    expect(read && writeText(read)).toBe(TEXT)
  })

  test('a zone directly behind the @', () => {
    expect(readText('0 9 * * * @Asia/Shanghai')?.options.zone).toBe('Asia/Shanghai')
    expect(readText('@daily @ UTC')?.options.zone).toBe('UTC')
  })

  test('stay where the core changes, except for what the server filled in', () => {
    const read = readText(TEXT)
    const changed = withCore(read, coreOf({ kind: 'daily', time: '09:00' }))
    expect(writeText(changed)).toBe('0 9 * * * @ Europe/Berlin until 2027-01-01 jitter 30s max 10 except 2026-12-24..2026-12-26, 2026-12-31')
    expect(withCore(read, { type: 'interval', seconds: 60 }).options.from).toBe('2026-11-27T04:17:23+00:00')
    expect(withCore(readText('0 9 * * * dst skip'), { type: 'date', date: '2026-12-24T18:00' }).options.dst).toBeUndefined()
  })
})

describe('JSON', () => {
  test.each([
    [{ type: 'cron', crontab: '0 9 * * 1-5', timezone: 'Asia/Shanghai' }, '0 9 * * 1-5 @ Asia/Shanghai'],
    [{ type: 'cron', day_of_week: 'mon-fri', hour: 9, minute: '*/5', timezone: 'UTC' }, 'fields: day_of_week=mon-fri hour=9 minute=*/5 @ UTC'],
    [{ type: 'interval', minutes: 2, start_date: '2026-11-27', timezone: 'UTC' }, 'every 2m @ UTC from 2026-11-27'],
    [{ type: 'calendar_interval', months: 1, time: '09:00', exclude: ['2026-12-24'] }, 'every 1 month at 09:00 except 2026-12-24'],
    [{ type: 'date', run_date: '2026-10-25T02:30', fold: 1 }, 'at 2026-10-25T02:30 fold=1'],
    [{ type: 'after', script: 'load', on: 'any' }, 'after load on any'],
    [{ type: 'or', triggers: [{ type: 'cron', crontab: '0 9 1 * *' }, { type: 'interval', hours: 2 }] }, '(0 9 1 * * or every 2h)'],
  ])('%j is read', (json, text) => {
    const read = readJson(json)
    expect(read && writeText(read)).toBe(text)
  })

  test.each([undefined, null, 'text', {}, { type: 'moon' }, { type: 'or', triggers: [{ type: 'moon' }] }])('%j is not', (json) => {
    expect(readJson(json)).toBeUndefined()
  })
})

test('spans', () => {
  expect(writeSpan(5400)).toBe('1h30m')
  expect(readSpan('1h30m')).toBe(5400)
  expect(readSpan('90')).toBe(90)
  expect(readSpan('soon')).toBeUndefined()
})

test('what fills an hour or a day can begin at round times', () => {
  expect([5, 15, 7, 60].map((count) => canAlign(count, 'minutes'))).toEqual([true, true, false, false])
  expect([1, 6, 5, 24].map((count) => canAlign(count, 'hours'))).toEqual([true, true, false, false])
  expect(canAlign(10, 'seconds')).toBe(false)
})

test('weekdays', () => {
  expect(weekdaysOf('sat-sun')).toEqual([0, 6])
  expect(weekdaysOf('7,1')).toEqual([0, 1])
  expect(weekdaysOf('5-2')).toBeUndefined()
  expect(weekdaysOf('*/2')).toBeUndefined()
})
