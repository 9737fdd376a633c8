/** The usual triggers as a choice and a few values, to a trigger and back. */
import { cronFields, type Core, type Ending, type Trigger } from './model'

export const EVERY_UNITS = ['seconds', 'minutes', 'hours', 'days'] as const
export type EveryUnit = (typeof EVERY_UNITS)[number]
export const CALENDAR_UNITS = ['days', 'weeks', 'months', 'years'] as const
export type CalendarUnit = (typeof CALENDAR_UNITS)[number]
/** `last` is the last one of the month. */
export type Nth = 1 | 2 | 3 | 4 | 5 | 'last'

/** Weekdays are 0 (Sunday) to 6. */
export type Preset =
  /** `aligned`: at round times of the clock (:00, :15, :30); otherwise counted from when the schedule is made. */
  | { kind: 'every'; count: number; unit: EveryUnit; aligned: boolean }
  | { kind: 'hourly'; minute: number }
  | { kind: 'daily'; time: string }
  | { kind: 'weekdays'; time: string }
  | { kind: 'weekly'; days: number[]; time: string }
  | { kind: 'monthly'; day: number | 'last'; time: string }
  | { kind: 'monthlyWeekday'; nth: Nth; weekday: number; time: string }
  | { kind: 'calendar'; count: number; unit: CalendarUnit; time: string }
  | { kind: 'once'; at: string }
  | { kind: 'after'; script: string; on: Ending }
  | { kind: 'afterLabel'; label: string; on: Ending }

export type PresetKind = Preset['kind']
export const PRESETS: PresetKind[] = [
  'every', 'hourly', 'daily', 'weekdays', 'weekly', 'monthly', 'monthlyWeekday', 'calendar', 'once', 'after', 'afterLabel',
]

const UNIT_SECONDS: Record<EveryUnit, number> = { seconds: 1, minutes: 60, hours: 3600, days: 86_400 }
const DAY_NAMES = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

/** Whether so many units fill an hour or a day without rest, so that they can begin at round times. */
export const canAlign = (count: number, unit: EveryUnit): boolean =>
  (unit === 'minutes' && count >= 1 && 60 % count === 0 && count < 60) || (unit === 'hours' && count >= 1 && 24 % count === 0 && count < 24)

/** A time of day for an input of the type `time`. */
const clock = (hour: string, minute: string): string => `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}`

function split(time: string): [number, number] {
  const [hour = '0', minute = '0'] = time.split(':')
  return [Number(hour), Number(minute)]
}

/** The core of a preset. */
export function coreOf(preset: Preset): Core {
  const cron = (crontab: string): Core => ({ type: 'cron', crontab })
  switch (preset.kind) {
    case 'every': {
      const count = Math.max(1, Math.floor(preset.count) || 1)
      if (!preset.aligned || !canAlign(count, preset.unit)) return { type: 'interval', seconds: count * UNIT_SECONDS[preset.unit] }
      const step = count === 1 ? '*' : `*/${count}`
      return cron(preset.unit === 'minutes' ? `${step} * * * *` : `0 ${step} * * *`)
    }
    case 'hourly':
      return cron(`${Math.min(59, Math.max(0, Math.floor(preset.minute) || 0))} * * * *`)
    case 'calendar': {
      const dates = { years: 0, months: 0, weeks: 0, days: 0, [preset.unit]: Math.max(1, Math.floor(preset.count) || 1) }
      return { type: 'calendar', ...dates, time: preset.time }
    }
    case 'once':
      return { type: 'date', date: preset.at }
    case 'after':
      return { type: 'after', script: preset.script, on: preset.on }
    case 'afterLabel':
      return { type: 'afterLabel', label: preset.label, on: preset.on }
    default: {
      const [hour, minute] = split(preset.time)
      return cron(`${minute} ${hour} ${daysOf(preset)}`)
    }
  }
}

type OnDays = Extract<Preset, { kind: 'daily' | 'weekdays' | 'weekly' | 'monthly' | 'monthlyWeekday' }>

/** The three fields of days. */
function daysOf(preset: OnDays): string {
  switch (preset.kind) {
    case 'daily':
      return '* * *'
    case 'weekdays':
      return '* * 1-5'
    case 'weekly':
      return `* * ${preset.days.toSorted((a, b) => a - b).join(',') || '1'}`
    case 'monthly':
      return `${preset.day === 'last' ? 'L' : preset.day} * *`
    case 'monthlyWeekday':
      return `* * ${DAY_NAMES[preset.weekday] ?? 'MON'}${preset.nth === 'last' ? 'L' : `#${preset.nth}`}`
  }
}

/** The preset that makes this core; nothing when none does. */
export function presetOf(core: Core): Preset | undefined {
  switch (core.type) {
    case 'cron':
      return ofCron(core.crontab)
    case 'interval': {
      const unit = EVERY_UNITS.toReversed().find((unit) => core.seconds % UNIT_SECONDS[unit] === 0) ?? 'seconds'
      return { kind: 'every', count: core.seconds / UNIT_SECONDS[unit], unit, aligned: false }
    }
    case 'calendar': {
      const units = CALENDAR_UNITS.filter((unit) => core[unit] > 0)
      const [unit] = units
      if (!unit || units.length > 1) return undefined
      return { kind: 'calendar', count: core[unit], unit, time: core.time }
    }
    case 'date':
      // A time with an offset or a choice of two equal times cannot be typed in the field.
      return core.fold === undefined && /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(core.date) ? { kind: 'once', at: core.date } : undefined
    case 'after':
      return { kind: 'after', script: core.script, on: core.on }
    case 'afterLabel':
      return { kind: 'afterLabel', label: core.label, on: core.on }
    default:
      return undefined
  }
}

const isWhole = (field: string, most: number): boolean => /^\d{1,2}$/.test(field) && Number(field) <= most

function ofCron(line: string): Preset | undefined {
  const fields = cronFields(line)
  if (!fields) return undefined
  const [minute, hour, day, month, weekday] = fields
  if (month !== '*') return undefined
  const everyDay = day === '*' && weekday === '*'
  const step = everyDay ? stepOf(minute, hour) : undefined
  if (step) return step
  if (everyDay && isWhole(minute, 59) && hour === '*') return { kind: 'hourly', minute: Number(minute) }
  if (!isWhole(minute, 59) || !isWhole(hour, 23)) return undefined
  const time = clock(hour, minute)
  if (everyDay) return { kind: 'daily', time }
  if (weekday === '*') {
    if (day.toUpperCase() === 'L') return { kind: 'monthly', day: 'last', time }
    return isWhole(day, 31) && Number(day) >= 1 ? { kind: 'monthly', day: Number(day), time } : undefined
  }
  return day === '*' ? ofWeekday(weekday, time) : undefined
}

function stepOf(minute: string, hour: string): Preset | undefined {
  const every = (field: string): number | undefined => (field === '*' ? 1 : Number(field.match(/^\*\/(\d+)$/)?.[1]) || undefined)
  const minutes = hour === '*' ? every(minute) : undefined
  if (minutes && canAlign(minutes, 'minutes')) return { kind: 'every', count: minutes, unit: 'minutes', aligned: true }
  const hours = minute === '0' && hour !== '*' ? every(hour) : undefined
  if (hours && canAlign(hours, 'hours')) return { kind: 'every', count: hours, unit: 'hours', aligned: true }
  return undefined
}

/** A weekday by its number or its name, from 0 (Sunday); 7 is Sunday, too. */
export function weekdayOf(text: string): number | undefined {
  if (/^[0-7]$/.test(text)) return Number(text) % 7
  const at = DAY_NAMES.indexOf(text.toUpperCase())
  return at < 0 ? undefined : at
}

function ofWeekday(field: string, time: string): Preset | undefined {
  const [, name, nth, last] = field.match(/^([0-7]|[a-z]{3})(?:#([1-5])|(L))$/i) ?? []
  if (name !== undefined) {
    const weekday = weekdayOf(name)
    if (weekday === undefined) return undefined
    return { kind: 'monthlyWeekday', nth: last ? 'last' : (Number(nth) as Nth), weekday, time }
  }
  const days = weekdaysOf(field)
  if (!days) return undefined
  if (days.join() === '1,2,3,4,5') return { kind: 'weekdays', time }
  return { kind: 'weekly', days, time }
}

/** The weekdays of a list of weekdays and ranges; nothing with steps and the like. */
export function weekdaysOf(field: string): number[] | undefined {
  const days = new Set<number>()
  for (const part of field.split(',')) {
    const [first = '', last = first, ...rest] = part.split('-')
    const [from, to] = [weekdayOf(first), weekdayOf(last)]
    if (from === undefined || to === undefined || rest.length > 0) return undefined
    // A range may end in Sunday (`5-7`); one that goes backwards is an error, which the server tells.
    const until = to === 0 && from > 0 ? 7 : to
    if (until < from) return undefined
    for (let day = from; day <= until; day += 1) days.add(day % 7)
  }
  return [...days].sort((a, b) => a - b)
}

/** A trigger with another core. What the server filled in by itself for the old one goes. */
export function withCore(trigger: Trigger | undefined, core: Core): Trigger {
  const { ...options } = trigger?.options ?? {}
  const before = trigger?.core.type
  // An interval is given its beginning when it is made: for another kind it would mean something else.
  if ((before === 'interval' || before === 'calendar') && core.type !== before) delete options.from
  // A calendar interval begins on a date.
  if (core.type === 'calendar' && options.from?.includes('T')) delete options.from
  if (core.type !== 'cron' && core.type !== 'fields' && core.type !== 'calendar') delete options.dst
  return { core, options }
}
