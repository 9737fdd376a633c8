/** What the form of a schedule holds: texts, as they are typed. Empty is what the server or the script says. */
import type { Schedule, Schemas } from '../../api/client'
import { argsText, bodyWith } from '../../ui/args/json'
import { limitsOf } from '../settings'

export const FIELDS = [
  'id', 'script', 'title', 'trigger', 'args', 'labels', 'misfire_grace_time', 'coalesce', 'max_instances', 'overlap', 'catchup_limit',
  'retries', 'retryDelay', 'retryBackoff', 'retryMaxDelay', 'pause_on_failure', 'priority', 'timeout', 'memory', 'fuel', 'output',
] as const
export type Field = (typeof FIELDS)[number]
export type Form = Record<Field, string>
export type Request = Schemas['ScheduleRequest']

export const emptyForm = (): Form => Object.fromEntries(FIELDS.map((field) => [field, ''])) as Form

/** Fields of the form that are one field of the request. */
const PARTS: Partial<Record<Field, keyof Request>> = {
  retryDelay: 'retries', retryBackoff: 'retries', retryMaxDelay: 'retries', timeout: 'limits', memory: 'limits', fuel: 'limits', output: 'limits',
}
export const requestField = (field: Field): keyof Request => PARTS[field] ?? (field as keyof Request)

const text = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '')

/** `key=value`, one a line. */
export const writeLabels = (labels: Record<string, string>): string => Object.entries(labels).map((label) => label.join('=')).join('\n')

export function readLabels(lines: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const line of lines.split('\n')) {
    const at = line.indexOf('=')
    const key = (at < 0 ? line : line.slice(0, at)).trim()
    if (key) labels[key] = at < 0 ? '' : line.slice(at + 1).trim()
  }
  return labels
}

/** The form of a schedule: what it says itself, not what is in force. */
export function formOf(schedule: Schedule): Form {
  const settings = schedule.settings as Record<string, unknown>
  const retries = settings['retries']
  const ofRetries = (name: string): unknown => (typeof retries === 'object' && retries !== null ? Reflect.get(retries, name) : undefined)
  const pause = settings['pause_on_failure']
  return {
    ...emptyForm(),
    id: schedule.id,
    script: schedule.script,
    title: schedule.title ?? '',
    trigger: schedule.text.replace(/^cron: /, ''),
    args: argsText(schedule.args),
    labels: writeLabels(schedule.labels),
    misfire_grace_time: settings['misfire_grace_time'] === null ? 'any' : text(settings['misfire_grace_time']),
    coalesce: text(settings['coalesce']),
    max_instances: text(settings['max_instances']),
    overlap: text(settings['overlap']),
    catchup_limit: text(settings['catchup_limit']),
    retries: typeof retries === 'number' ? String(retries) : text(ofRetries('count')),
    retryDelay: text(ofRetries('delay')),
    retryBackoff: text(ofRetries('backoff')),
    retryMaxDelay: text(ofRetries('max_delay')),
    pause_on_failure: typeof pause === 'boolean' ? String(Number(pause)) : text(pause),
    priority: text(settings['priority']),
    ...limitsOf(settings),
  }
}

/** A number where it is one; else the text, about which the server says what is wrong. */
const number = (value: string): number => (/^-?\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : (value as unknown as number))

function retriesRequest({ retries, retryDelay, retryBackoff, retryMaxDelay }: Form): unknown {
  if (retries.trim() === '') return null
  const more = {
    ...(retryDelay.trim() ? { delay: number(retryDelay) } : {}),
    ...(retryBackoff ? { backoff: retryBackoff } : {}),
    ...(retryMaxDelay.trim() ? { max_delay: number(retryMaxDelay) } : {}),
  }
  return Object.keys(more).length > 0 ? { count: number(retries), ...more } : number(retries)
}

function limitsRequest(form: Form): Record<string, unknown> | null {
  const given = (['timeout', 'memory', 'fuel', 'output'] as const).filter((name) => form[name].trim() !== '')
  return given.length > 0 ? Object.fromEntries(given.map((name) => [name, number(form[name])])) : null
}

/** One field of the request; null for what is as it is by default. */
function valueOf(form: Form, field: keyof Request): unknown {
  switch (field) {
    case 'labels':
      return form.labels.trim() === '' ? null : readLabels(form.labels)
    case 'retries':
      return retriesRequest(form)
    case 'limits':
      return limitsRequest(form)
    case 'misfire_grace_time':
    case 'max_instances':
    case 'catchup_limit':
    case 'pause_on_failure':
    case 'priority':
      return form[field].trim() === '' ? null : number(form[field])
    case 'id':
    case 'script':
    case 'title':
    case 'trigger':
    case 'coalesce':
    case 'overlap':
      return form[field].trim() === '' ? null : form[field].trim()
    default:
      return undefined
  }
}

/** The request for these fields of the form, but for its arguments. */
function request(form: Form, fields: readonly Field[]): Request {
  const names = new Set(fields.filter((field) => field !== 'args').map(requestField))
  return Object.fromEntries([...names].map((name) => [name, valueOf(form, name)])) as Request
}

/** What makes a new schedule, as JSON: what is empty is left out. The arguments have to be JSON. */
export function creation(form: Form, more: Request = {}): string {
  const given = Object.entries(request(form, FIELDS)).filter(([, value]) => value !== null)
  return bodyWith(form.args, { ...Object.fromEntries(given), ...more })
}

export const changedFields = (form: Form, base: Form): Field[] => FIELDS.filter((field) => form[field] !== base[field])

/** What changes a schedule, as JSON: only the fields that are another now. Its id stays. The arguments have to be JSON. */
export function change(form: Form, base: Form): string {
  const fields = changedFields(form, base)
  const { id: _, ...changed } = request(form, fields)
  return bodyWith(fields.includes('args') ? form.args.trim() || 'null' : '', changed)
}

export interface Merge {
  form: Form
  /** Fields that both changed, and not to the same. The form keeps what was typed. */
  conflicts: Field[]
  /** Fields that were taken over. */
  taken: Field[]
}

/** What was typed, together with what somebody else saved meanwhile. */
export function merge(base: Form, mine: Form, theirs: Form): Merge {
  const form = { ...mine }
  const [conflicts, taken]: [Field[], Field[]] = [[], []]
  for (const field of changedFields(theirs, base)) {
    if (mine[field] === theirs[field]) continue
    if (mine[field] === base[field]) {
      form[field] = theirs[field]
      taken.push(field)
    } else conflicts.push(field)
  }
  return { form, conflicts, taken }
}
