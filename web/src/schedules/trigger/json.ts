/** Reads the JSON form that the server answers with. */
import { CRON_UNITS, DST_RULES, ENDINGS, writeSpan, type Core, type CronUnit, type Options, type Trigger } from './model'

type Json = Record<string, unknown>

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const text = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined
const count = (value: unknown): number => (typeof value === 'number' ? value : 0)

const SECONDS: [string, number][] = [
  ['weeks', 604_800],
  ['days', 86_400],
  ['hours', 3600],
  ['minutes', 60],
  ['seconds', 1],
]

/** Nothing for a kind that this page does not know. */
export function readJson(value: unknown): Trigger | undefined {
  if (!isObject(value)) return undefined
  const core = readCore(value)
  return core && { core, options: readOptions(value) }
}

function readCore(value: Json): Core | undefined {
  const on = ENDINGS.find((ending) => ending === value['on']) ?? 'succeeded'
  const crontab = text(value['crontab'])
  const date = text(value['run_date'])
  const [script, label] = [text(value['script']), text(value['label'])]
  switch (value['type']) {
    case 'cron':
      return crontab === undefined ? readFields(value) : { type: 'cron', crontab }
    case 'interval':
      return { type: 'interval', seconds: SECONDS.reduce((sum, [name, size]) => sum + count(value[name]) * size, 0) }
    case 'calendar_interval': {
      const [years, months] = [count(value['years']), count(value['months'])]
      const [weeks, days] = [count(value['weeks']), count(value['days'])]
      return { type: 'calendar', years, months, weeks, days, time: text(value['time']) ?? '00:00' }
    }
    case 'date': {
      const fold = text(value['fold'])
      return date === undefined ? undefined : fold === undefined ? { type: 'date', date } : { type: 'date', date, fold }
    }
    case 'after':
      if (label !== undefined) return { type: 'afterLabel', label, on }
      return script === undefined ? undefined : { type: 'after', script, on }
    case 'or':
    case 'and': {
      const read = Array.isArray(value['triggers']) ? value['triggers'].map(readJson) : []
      const members = read.filter((member) => member !== undefined)
      if (members.length === 0 || members.length !== read.length) return undefined
      const within = count(value['threshold'])
      return within > 0 ? { type: value['type'], members, within: writeSpan(within) } : { type: value['type'], members }
    }
    default:
      return undefined
  }
}

function readFields(value: Json): Core {
  const fields: Partial<Record<CronUnit, string>> = {}
  for (const unit of CRON_UNITS) {
    const field = text(value[unit])
    if (field !== undefined) fields[unit] = field
  }
  return { type: 'fields', fields }
}

function readOptions(value: Json): Options {
  const options: Options = {}
  const [zone, from, until] = [text(value['timezone']), text(value['start_date']), text(value['end_date'])]
  if (zone !== undefined) options.zone = zone
  if (from !== undefined) options.from = from
  if (until !== undefined) options.until = until
  if (count(value['jitter']) > 0) options.jitter = writeSpan(count(value['jitter']))
  if (count(value['max_runs']) > 0) options.max = count(value['max_runs'])
  if (Array.isArray(value['exclude'])) options.except = value['exclude'].map(text).filter((day) => day !== undefined)
  const dst = DST_RULES.find((rule) => rule === value['dst'])
  if (dst !== undefined) options.dst = dst
  return options
}
