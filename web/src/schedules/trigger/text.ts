/** Reads the text form of one trigger, as far as the helper's views can show it. */
import { CRON_UNITS, DST_RULES, ENDINGS, readSpan, type Core, type CronUnit, type Ending, type Options, type Trigger } from './model'

const OPTION_WORDS = ['@', 'from', 'until', 'jitter', 'max', 'except', 'dst', 'within']
const CALENDAR_UNITS = ['year', 'month', 'week', 'day'] as const
const CLOCK_UNITS: Record<string, number> = { hour: 3600, minute: 60, second: 1 }

const isOption = (word: string): boolean => word.startsWith('@') || OPTION_WORDS.includes(word.toLowerCase())

/** Words at white space; what is in quotes stays together. */
function wordsOf(text: string): string[] {
  return text.replace(/^\s*(cron:|fields:)/i, ' $1 ').match(/(?:"[^"]*"|[^\s"])+/g) ?? []
}

const unquoted = (word: string): string => word.replace(/^"(.*)"$/, '$1')

/** Nothing where the text is not understood here; the server may still understand it. */
export function readText(text: string): Trigger | undefined {
  const words = wordsOf(text)
  if (words.some((word) => /^(or|and)$/i.test(word) || /[()]/.test(word))) return undefined
  // A name of a crontab (`@daily`) begins like a zone.
  let end = words.findIndex((word, at) => at > 0 && isOption(word))
  if (end < 0) end = words.length
  const core = readCore(words.slice(0, end))
  const options = core && readOptions(words.slice(end))
  return core && options && { core, options }
}

function readCore(words: string[]): Core | undefined {
  const [first = '', ...rest] = words
  switch (first.toLowerCase()) {
    case 'cron:':
      return rest.length > 0 ? { type: 'cron', crontab: rest.join(' ') } : undefined
    case 'fields:':
      return readFields(rest)
    case 'every':
    case '@every':
      return readEvery(rest)
    case 'at':
      return readDate(rest)
    case 'after':
      return readAfter(rest)
    default:
      return /^[\d*@]/.test(first) ? { type: 'cron', crontab: words.join(' ') } : undefined
  }
}

function readFields(words: string[]): Core | undefined {
  const fields: Partial<Record<CronUnit, string>> = {}
  for (const word of words) {
    const at = word.indexOf('=')
    const unit = CRON_UNITS.find((unit) => unit === word.slice(0, at).toLowerCase())
    if (at < 0 || !unit || fields[unit] !== undefined) return undefined
    fields[unit] = unquoted(word.slice(at + 1))
  }
  return words.length > 0 ? { type: 'fields', fields } : undefined
}

function readEvery(words: string[]): Core | undefined {
  const [first = ''] = words
  if (/^\d+[a-z]/i.test(first)) {
    const seconds = readSpan(first)
    return words.length === 1 && seconds ? { type: 'interval', seconds } : undefined
  }
  let seconds = 0
  const dates = { years: 0, months: 0, weeks: 0, days: 0 }
  let time: string | undefined
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? ''
    if (word.toLowerCase() === 'at') {
      time = words[at + 1]
      if (!time || at + 2 !== words.length) return undefined
      break
    }
    const isNumber = /^\d+$/.test(word)
    if (!isNumber && at > 0) return undefined
    if (isNumber) at += 1
    const unit = (words[at] ?? '').toLowerCase().replace(/s$/, '')
    const count = isNumber ? Number(word) : 1
    const date = CALENDAR_UNITS.find((name) => name === unit)
    if (date) dates[`${date}s`] = count
    else if (CLOCK_UNITS[unit]) seconds += count * CLOCK_UNITS[unit]
    else return undefined
  }
  const isCalendar = Object.values(dates).some((count) => count > 0)
  if (isCalendar) return seconds === 0 ? { type: 'calendar', ...dates, time: time ?? '00:00' } : undefined
  return seconds > 0 && !time ? { type: 'interval', seconds } : undefined
}

function readDate(words: string[]): Core | undefined {
  const fold = words.at(-1)?.match(/^fold=([01])$/i)?.[1]
  const date = (fold ? words.slice(0, -1) : words).join('T')
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(date)) return undefined
  return fold ? { type: 'date', date, fold } : { type: 'date', date }
}

function readAfter(words: string[]): Core | undefined {
  const [first, ...more] = words
  if (!first) return undefined
  const isLabel = first.toLowerCase() === 'label' && more[0]?.includes('=') === true
  const rest = isLabel ? more.slice(1) : more
  let on: Ending = 'succeeded'
  if (rest.length > 0) {
    const found = ENDINGS.find((ending) => ending === rest[1]?.toLowerCase())
    if (rest[0]?.toLowerCase() !== 'on' || !found || rest.length !== 2) return undefined
    on = found
  }
  if (isLabel) return { type: 'afterLabel', label: unquoted(more[0] ?? ''), on }
  return { type: 'after', script: unquoted(first), on }
}

function readOptions(words: string[]): Options | undefined {
  const options: Options = {}
  for (let at = 0; at < words.length; ) {
    const word = words[at] ?? ''
    at += 1
    if (word.startsWith('@') && word.length > 1) {
      options.zone = word.slice(1)
      continue
    }
    const values: string[] = []
    while (at < words.length && !isOption(words[at] ?? '')) {
      values.push(words[at] ?? '')
      at += 1
    }
    if (!setOption(options, word.toLowerCase(), values)) return undefined
  }
  return options
}

function setOption(options: Options, name: string, values: string[]): boolean {
  const [value] = values
  if (!value) return false
  if (name === 'except') {
    options.except = values.join(' ').split(',').map((each) => each.trim()).filter(Boolean)
    return true
  }
  if (name === 'from' || name === 'until') {
    options[name] = values.join('T')
    return values.length <= 2
  }
  if (values.length > 1) return false
  if (name === '@') options.zone = value
  else if (name === 'jitter' && readSpan(value) !== undefined) options.jitter = value
  else if (name === 'max' && /^\d+$/.test(value)) options.max = Number(value)
  else if (name === 'dst') {
    const rule = DST_RULES.find((rule) => rule === value.toLowerCase())
    if (!rule) return false
    options.dst = rule
  } else return false
  return true
}
