/** The fields of a crontab in words. */
import { weekdayOf, weekdaysOf } from './presets'
import { list, spanWords, type Words } from './reading'

/** At most so many fixed times are listed. */
const MOST_TIMES = 6

const wholes = (field: string): number[] | undefined =>
  /^\d{1,2}(,\d{1,2})*$/.test(field) ? field.split(',').map(Number) : undefined

const stepOf = (field: string): number | undefined => {
  const step = Number(field.match(/^\*\/(\d+)$/)?.[1])
  return step > 0 ? step : undefined
}

const two = (value: number): string => String(value).padStart(2, '0')

/** `fixed`: times of day; otherwise how often it fires. */
export function readCronTimes(minute: string, hour: string, words: Words): { words: string; fixed: boolean } | undefined {
  const { t } = words
  const [minutes, hours] = [wholes(minute), wholes(hour)]
  if (minutes && hours && minutes.length * hours.length <= MOST_TIMES) {
    const times = hours.flatMap((each) => minutes.map((at) => `${two(each)}:${two(at)}`))
    return { words: list(words, times), fixed: true }
  }
  const often = oftenWords(minute, words)
  if (often) {
    if (hour === '*') return { words: often, fixed: false }
    const ranges = hourRanges(hour)
    return ranges && { words: t('schedules.reading.within', { often, ranges: list(words, ranges) }), fixed: false }
  }
  if (!minutes) return undefined
  const at = list(words, minutes.map(two))
  if (hour === '*') return { words: hourly(minutes, at, words), fixed: false }
  const step = stepOf(hour)
  if (step) {
    const every = t('schedules.reading.every', { span: spanWords(step * 3600, words) })
    return { words: minutes.join() === '0' ? every : t('schedules.reading.pastHours', { every, at }), fixed: false }
  }
  const ranges = hourRanges(hour, minutes.length === 1 ? minutes[0] : undefined)
  return ranges && { words: t('schedules.reading.within', { often: hourly(minutes, at, words), ranges: list(words, ranges) }), fixed: false }
}

function hourly(minutes: number[], at: string, { t }: Words): string {
  return minutes.join() === '0' ? t('schedules.reading.each.hours') : t('schedules.reading.pastHour', { at })
}

/** How often within an hour. */
function oftenWords(minute: string, words: Words): string | undefined {
  if (minute === '*') return words.t('schedules.reading.each.minutes')
  const step = stepOf(minute)
  return step === undefined ? undefined : words.t('schedules.reading.every', { span: spanWords(step * 60, words) })
}

/** The hours of a field as ranges of the day: `09:00–17:59`; with a fixed minute `09:30–17:30`. */
function hourRanges(field: string, minute?: number): string[] | undefined {
  const ranges: string[] = []
  for (const part of field.split(',')) {
    const [, from, to = from] = part.match(/^(\d{1,2})(?:-(\d{1,2}))?$/) ?? []
    if (from === undefined || to === undefined) return undefined
    ranges.push(`${two(Number(from))}:${two(minute ?? 0)}–${two(Number(to))}:${two(minute ?? 59)}`)
  }
  return ranges
}

/** 0 is Sunday. The short form is the usual one in Chinese. */
export const weekdayName = (day: number, { locale }: Words): string =>
  new Intl.DateTimeFormat(locale, { weekday: locale.startsWith('zh') ? 'short' : 'long', timeZone: 'UTC' }).format(Date.UTC(2023, 0, 1 + day))
const monthName = (month: number, { locale }: Words): string =>
  new Intl.DateTimeFormat(locale, { month: 'long', timeZone: 'UTC' }).format(Date.UTC(2023, month - 1, 1))

const NTH = ['first', 'second', 'third', 'fourth', 'fifth'] as const

/** Empty for every day; nothing where there are no words. */
export function readCronDays(day: string, weekday: string, month: string, words: Words): string | undefined {
  const { t } = words
  const ofMonth = day === '*' || day === '?' ? '' : dayWords(day, words)
  const ofWeek = weekday === '*' || weekday === '?' ? '' : weekdayWords(weekday, words)
  const months = month === '*' ? '' : monthWords(month, words)
  if (ofMonth === undefined || ofWeek === undefined || months === undefined) return undefined
  let days = ofMonth || ofWeek
  if (ofMonth && ofWeek) {
    // A crontab joins both with OR, unless one of them begins with a star.
    const isAnd = day.startsWith('*') || weekday.startsWith('*')
    days = t(isAnd ? 'schedules.reading.ifAlso' : 'schedules.reading.orOn', { days: ofMonth, weekdays: ofWeek })
  }
  if (!months) return days
  return t('schedules.reading.inMonths', { days: days || t('schedules.reading.everyDay'), months })
}

function dayWords(field: string, words: Words): string | undefined {
  const { t } = words
  if (field.toUpperCase() === 'L' || field === 'last') return t('schedules.reading.lastDay')
  const step = stepOf(field)
  if (step) return t('schedules.reading.everyNthDay', { n: step })
  if (!/^\d{1,2}(-\d{1,2})?(,\d{1,2}(-\d{1,2})?)*$/.test(field)) return undefined
  return t('schedules.reading.dayOfMonth', { days: list(words, field.split(',').map((part) => part.replace('-', '–'))) })
}

function weekdayWords(field: string, words: Words): string | undefined {
  const { t } = words
  const [, name, nth, last] = field.match(/^([0-7]|[a-z]{3})(?:#([1-5])|(L))$/i) ?? []
  if (name !== undefined) {
    const day = weekdayOf(name)
    if (day === undefined) return undefined
    const which = last ? 'last' : (NTH[Number(nth) - 1] ?? 'first')
    return t('schedules.reading.nthWeekday', { nth: t(`schedules.nth.${which}`), weekday: weekdayName(day, words) })
  }
  // A week begins on Monday here.
  const days = weekdaysOf(field)?.toSorted((a, b) => ((a + 6) % 7) - ((b + 6) % 7))
  const [first] = days ?? []
  if (!days || first === undefined) return undefined
  const isRow = days.length > 2 && days.every((day, at) => (day + 6) % 7 === ((first + 6) % 7) + at)
  if (!isRow) return list(words, days.map((day) => weekdayName(day, words)))
  if (days.length === 7) return t('schedules.reading.everyDay')
  return t('schedules.reading.weekdayRange', { from: weekdayName(first, words), to: weekdayName(days.at(-1) ?? first, words) })
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']

function monthWords(field: string, words: Words): string | undefined {
  const numberOf = (text: string): number | undefined => {
    const number = /^\d{1,2}$/.test(text) ? Number(text) : MONTHS.indexOf(text.toUpperCase()) + 1
    return number >= 1 && number <= 12 ? number : undefined
  }
  const step = stepOf(field)
  if (step) {
    const months = MONTHS.map((_, at) => at + 1).filter((month) => (month - 1) % step === 0)
    return list(words, months.map((month) => monthName(month, words)))
  }
  const parts: string[] = []
  for (const part of field.split(',')) {
    const [first = '', last = first, ...rest] = part.split('-')
    const [from, to] = [numberOf(first), numberOf(last)]
    if (!from || !to || rest.length > 0) return undefined
    const names = [monthName(from, words), monthName(to, words)]
    parts.push(from === to ? (names[0] ?? '') : words.t('schedules.reading.weekdayRange', { from: names[0], to: names[1] }))
  }
  return list(words, parts)
}
