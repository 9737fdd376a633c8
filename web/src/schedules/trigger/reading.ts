/** A trigger in plain words, in the language of the page. */
import type { t as translate } from '../../i18n'
import { readCronDays, readCronTimes } from './cronWords'
import { cronFields, readSpan, type Core, type CronUnit, type Trigger } from './model'

/** What sentences are made with. */
export interface Words {
  t: typeof translate
  /** Of names of days, numbers and lists. */
  locale: string
}

export const list = (words: Words, items: string[], type: Intl.ListFormatType = 'conjunction'): string =>
  new Intl.ListFormat(words.locale, { type, style: 'long' }).format(items)

/** Chinese has no capitals, and its sentences may begin with a name. */
const upper = (text: string, { locale }: Words): string =>
  locale.startsWith('zh') ? text : text.charAt(0).toUpperCase() + text.slice(1)

/** Chinese is written without spaces, except beside numbers and Latin letters. */
const tidy = (text: string): string =>
  text.replace(/(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])/g, '').replace(/(?<=[\u4e00-\u9fff])(?=\d)|(?<=\d)(?=[\u4e00-\u9fff])/g, ' ')

/** The sentence without its options; nothing where the page has no words for it, and its text says more. */
export function readingOf(trigger: Trigger, words: Words): string | undefined {
  const sentence = ofCore(trigger.core, words)
  return sentence === undefined ? undefined : tidy(upper(sentence, words))
}

function ofCore(core: Core, words: Words): string | undefined {
  const { t } = words
  switch (core.type) {
    case 'cron': {
      const fields = cronFields(core.crontab)
      return fields && ofCron(fields, words)
    }
    case 'fields':
      return ofFields(core.fields, words)
    case 'interval':
      return everySpan(core.seconds, words)
    case 'calendar': {
      return t('schedules.reading.everyAt', { every: everyDates(core, words), time: core.time })
    }
    case 'date':
      return t('schedules.reading.once', { at: core.date.replace('T', ' ') })
    case 'after':
      return t(`schedules.reading.after.${core.on}`, {
        what: core.script === '*' ? t('schedules.reading.anyScript') : core.script,
      })
    case 'afterLabel':
      return t(`schedules.reading.after.${core.on}`, { what: t('schedules.reading.withLabel', { label: core.label }) })
    default: {
      const members = core.members.map((member) => ofCore(member.core, words))
      if (members.includes(undefined)) return undefined
      const known = members.filter((member) => member !== undefined)
      return core.type === 'or' ? list(words, known, 'disjunction') : t('schedules.reading.together', { members: list(words, known) })
    }
  }
}

function everyDates(core: Extract<Core, { type: 'calendar' }>, words: Words): string {
  const units = (['years', 'months', 'weeks', 'days'] as const).filter((unit) => core[unit] > 0)
  const [first] = units
  if (first && units.length === 1 && core[first] === 1) return words.t(`schedules.reading.eachDate.${first}`)
  const steps = units.map((unit) => words.t(`schedules.reading.span.${unit}`, { n: core[unit] }, core[unit]))
  return words.t('schedules.reading.every', { span: list(words, steps) })
}

const SPANS = [
  ['weeks', 604_800],
  ['days', 86_400],
  ['hours', 3600],
  ['minutes', 60],
  ['seconds', 1],
] as const

/** A length of time in words: `1 hour and 30 minutes`. */
export function spanWords(seconds: number, words: Words): string {
  let rest = seconds
  const parts: string[] = []
  for (const [unit, size] of SPANS) {
    const n = Math.floor(rest / size)
    rest %= size
    if (n > 0) parts.push(words.t(`schedules.reading.span.${unit}`, { n }, n))
  }
  return list(words, parts, 'unit')
}

function everySpan(seconds: number, words: Words): string {
  const single = SPANS.find(([, size]) => seconds === size)
  if (single) return words.t(`schedules.reading.each.${single[0]}`)
  return words.t('schedules.reading.every', { span: spanWords(seconds, words) })
}

type Fields = [string, string, string, string, string]

function ofCron([minute, hour, day, month, weekday]: Fields, words: Words): string | undefined {
  const { t } = words
  const times = readCronTimes(minute, hour, words)
  const days = readCronDays(day, weekday, month, words)
  if (!times || days === undefined) return undefined
  if (times.fixed) return t('schedules.reading.at', { days: days || t('schedules.reading.everyDay'), times: times.words })
  return days ? t('schedules.reading.through', { time: times.words, days }) : times.words
}

/** From the most significant on. A field that is left out is `*` above the least one given, and its least value below. */
const ORDER: CronUnit[] = ['month', 'day', 'hour', 'minute', 'second']

/** By fields, where a crontab could say the same. */
function ofFields(fields: Partial<Record<CronUnit, string>>, words: Words): string | undefined {
  if (fields.year || fields.week) return undefined
  const least = Math.max(...ORDER.map((unit, at) => (fields[unit] === undefined ? -1 : at)), 1)
  const value = (unit: CronUnit): string =>
    fields[unit] ?? (ORDER.indexOf(unit) < least ? '*' : unit === 'month' || unit === 'day' ? '1' : '0')
  const [second, weekday] = [value('second'), fields.day_of_week ?? '*']
  const day = fields.day ?? (fields.day_of_week === undefined ? value('day') : '*')
  const step = second.match(/^\*(?:\/(\d+))?$/)
  if (step) {
    const isAlone = [day, weekday, value('month'), value('hour'), value('minute')].every((field) => field === '*')
    return isAlone ? everySpan(Number(step[1] ?? 1), words) : undefined
  }
  // Both kinds of day must agree here, which no crontab can say; weekdays are stored as names.
  if (second !== '0' || (day !== '*' && weekday !== '*') || /\d/.test(weekday)) return undefined
  return ofCron([value('minute'), value('hour'), day, value('month'), weekday], words)
}

/** What its options add, a phrase each. The beginning that an interval has by itself is left out. */
export function optionWords({ core, options }: Trigger, words: Words): string[] {
  const { t } = words
  const phrases: string[] = []
  const isOwnBeginning = core.type === 'interval' || core.type === 'calendar'
  if (options.from && !isOwnBeginning) phrases.push(t('schedules.reading.from', { at: options.from.replace('T', ' ') }))
  if (options.until) phrases.push(t('schedules.reading.until', { at: options.until.replace('T', ' ') }))
  if (options.max !== undefined) phrases.push(t('schedules.reading.max', { n: options.max }, options.max))
  if (options.except?.length) phrases.push(t('schedules.reading.except', { days: options.except.map((days) => days.replace('..', ' – ')).join(', ') }))
  const jitter = options.jitter === undefined ? undefined : readSpan(options.jitter)
  if (jitter) phrases.push(t('schedules.reading.jitter', { span: spanWords(jitter, words) }))
  if (options.dst && options.dst !== 'default') phrases.push(t(`schedules.reading.dst.${options.dst}`))
  return phrases.map(tidy)
}
