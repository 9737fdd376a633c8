/**
 * A trigger as the page changes it: one core, and options that hold for any core. The two forms of the server are the text
 * (`0 9 * * 1-5 @ Europe/Berlin`) and JSON with a `type`; both are read here, and the text is written.
 *
 * The server is what decides whether a trigger is right. What is read here is only what the helper's views can show:
 * a text with parentheses, `or` or `and` is not read, and stays as it was typed.
 */
export const CRON_UNITS = ['year', 'month', 'day', 'week', 'day_of_week', 'hour', 'minute', 'second'] as const
export type CronUnit = (typeof CRON_UNITS)[number]
export const ENDINGS = ['succeeded', 'failed', 'any', 'missed'] as const
export type Ending = (typeof ENDINGS)[number]
export const DST_RULES = ['default', 'skip', 'both'] as const
export type DstRule = (typeof DST_RULES)[number]

export type Core =
  /** The five fields of a crontab, or a name such as `@daily`. */
  | { type: 'cron'; crontab: string }
  /** By fields, as in APScheduler: weekday 0 is Monday. */
  | { type: 'fields'; fields: Partial<Record<CronUnit, string>> }
  /** Elapsed time. */
  | { type: 'interval'; seconds: number }
  /** Dates, with a time of day. */
  | { type: 'calendar'; years: number; months: number; weeks: number; days: number; time: string }
  /** Once. */
  | { type: 'date'; date: string; fold?: string }
  /** After a run of a script (`*`: of any), or of scripts with a label `key=value`. */
  | { type: 'after'; script: string; on: Ending }
  | { type: 'afterLabel'; label: string; on: Ending }
  | { type: 'or' | 'and'; members: Trigger[]; within?: string }

export interface Options {
  zone?: string
  from?: string
  until?: string
  /** A span: `30s`. */
  jitter?: string
  max?: number
  /** Dates, and ranges with `..` between. */
  except?: string[]
  dst?: DstRule
}

export interface Trigger {
  core: Core
  options: Options
}

const NAMED: Record<string, string> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
}

/** The five fields of a crontab line; nothing when it has another number of them. */
export function cronFields(line: string): [string, string, string, string, string] | undefined {
  const trimmed = line.trim()
  const [minute, hour, day, month, weekday, ...rest] = (NAMED[trimmed.toLowerCase()] ?? trimmed).split(/\s+/)
  if (!minute || !hour || !day || !month || !weekday || rest.length > 0) return undefined
  return [minute, hour, day, month, weekday]
}

const SPAN_UNITS: [string, number][] = [
  ['w', 604_800],
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
]

/** `1h30m` for 5400 */
export function writeSpan(seconds: number): string {
  let rest = seconds
  let text = ''
  for (const [letter, size] of SPAN_UNITS) {
    const count = Math.floor(rest / size)
    rest %= size
    if (count > 0) text += `${count}${letter}`
  }
  return text || '0s'
}

/** The seconds of `1h30m`, or of a number. */
export function readSpan(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text)
  if (!/^(\d+[wdhms])+$/i.test(text)) return undefined
  let total = 0
  for (const [, count, letter] of text.matchAll(/(\d+)([a-z])/gi)) {
    total += Number(count) * (SPAN_UNITS.find(([unit]) => unit === letter?.toLowerCase())?.[1] ?? 0)
  }
  return total
}

/** The text form of a core. */
function writeCore(core: Core): string {
  switch (core.type) {
    case 'cron':
      return core.crontab
    case 'fields':
      return `fields: ${CRON_UNITS.filter((unit) => core.fields[unit] !== undefined)
        .map((unit) => `${unit}=${core.fields[unit]?.includes(' ') ? `"${core.fields[unit]}"` : core.fields[unit]}`)
        .join(' ')}`
    case 'interval':
      return `every ${writeSpan(core.seconds)}`
    case 'calendar': {
      const parts = (['years', 'months', 'weeks', 'days'] as const).filter((unit) => core[unit] > 0)
      const words = parts.map((unit) => `${core[unit]} ${core[unit] === 1 ? unit.slice(0, -1) : unit}`)
      return `every ${words.join(' ')} at ${core.time}`
    }
    case 'date':
      return `at ${core.date}${core.fold ? ` fold=${core.fold}` : ''}`
    case 'after':
      return `after ${core.script.toLowerCase() === 'label' ? `"${core.script}"` : core.script}${writeEnding(core.on)}`
    case 'afterLabel':
      return `after label "${core.label}"${writeEnding(core.on)}`
    default:
      return `(${core.members.map(writeText).join(` ${core.type} `)})`
  }
}

const writeEnding = (on: Ending): string => (on === 'succeeded' ? '' : ` on ${on}`)

/** The text form. */
export function writeText({ core, options }: Trigger): string {
  const parts = [writeCore(core)]
  if (options.zone) parts.push(`@ ${options.zone}`)
  if (options.from) parts.push(`from ${options.from}`)
  if (options.until) parts.push(`until ${options.until}`)
  if (options.jitter) parts.push(`jitter ${options.jitter}`)
  if (options.max !== undefined) parts.push(`max ${options.max}`)
  if (options.except?.length) parts.push(`except ${options.except.join(', ')}`)
  if (options.dst && options.dst !== 'default') parts.push(`dst ${options.dst}`)
  if ('within' in core && core.within) parts.push(`within ${core.within}`)
  return parts.join(' ')
}
