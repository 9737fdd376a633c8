/** The filters of the list of runs. The address has them under the names of the API, so that it can be sent to a colleague. */
import type { LocationQuery, LocationQueryRaw } from 'vue-router'
import type { RunStatus, Schemas } from '../../api/client'
import { LOOKS, NOT_RUN, FAILURES } from '../../ui/status'

export type Cause = Schemas['Cause']

export const STATUSES: readonly RunStatus[] = [
  'scheduled', 'queued', 'running', 'succeeded', 'failed', 'timed_out', 'out_of_fuel', 'out_of_memory', 'crashed', 'cancelled',
  'abandoned', 'missed', 'skipped',
]
export const CAUSES: readonly Cause[] = ['fire', 'api', 'manual', 'chain', 'backfill', 'retry']
/** Filters that are one text each. */
export const TEXTS = ['id', 'script', 'schedule', 'label', 'since', 'until', 'min_duration', 'error_contains', 'result'] as const
export type TextFilter = (typeof TEXTS)[number]

export type RunFilter = Record<TextFilter, string> & { status: RunStatus[]; cause: Cause | '' }

export const NO_FILTER: RunFilter = {
  id: '', script: '', schedule: '', label: '', since: '', until: '', min_duration: '', error_contains: '', result: '', status: [], cause: '',
}

const isStatus = (word: string): word is RunStatus => word in LOOKS && (STATUSES as readonly string[]).includes(word)
const isCause = (word: string): word is Cause => (CAUSES as readonly string[]).includes(word)

/** Every value of a part of the address. */
function all(value: LocationQuery[string] | undefined): string[] {
  return (Array.isArray(value) ? value : [value]).filter((each): each is string => typeof each === 'string')
}

/** The filter that an address tells. What is unknown in it is left out. */
export function fromAddress(query: LocationQuery): RunFilter {
  const filter: RunFilter = { ...NO_FILTER }
  for (const name of TEXTS) filter[name] = all(query[name])[0]?.trim() ?? ''
  const named = new Set(all(query['status']).flatMap((each) => each.split(',')))
  filter.status = STATUSES.filter((status) => named.has(status) && isStatus(status))
  const cause = all(query['cause'])[0] ?? ''
  filter.cause = isCause(cause) ? cause : ''
  return filter
}

/** The parts that are set, as text: of the address and of the API. */
export function toAddress(filter: RunFilter): LocationQueryRaw & Record<string, string> {
  const query: Record<string, string> = {}
  for (const name of TEXTS) if (filter[name] !== '') query[name] = filter[name]
  if (filter.status.length > 0) query['status'] = filter.status.join(',')
  if (filter.cause !== '') query['cause'] = filter.cause
  return query
}

/** The question to the API, without a question mark. */
export function toQuestion(filter: RunFilter, more: Record<string, string> = {}): string {
  return new URLSearchParams({ ...toAddress(filter), ...more }).toString()
}

export const isFiltered = (filter: RunFilter): boolean => Object.keys(toAddress(filter)).length > 0

/** Filters behind the button for more of them. */
export const MORE = ['cause', 'label', 'min_duration', 'error_contains', 'result', 'id'] as const
export const moreCount = (filter: RunFilter): number => MORE.filter((name) => filter[name] !== '').length

/** Sets of statuses that people ask for most. */
export const GROUPS = {
  all: [],
  now: ['scheduled', 'queued', 'running'],
  succeeded: ['succeeded'],
  failed: FAILURES,
  notRun: NOT_RUN,
} as const satisfies Record<string, readonly RunStatus[]>
export type Group = keyof typeof GROUPS

export const groupOf = (statuses: readonly RunStatus[]): Group | undefined =>
  (Object.keys(GROUPS) as Group[]).find((group) => {
    const wanted: readonly RunStatus[] = GROUPS[group]
    return wanted.length === statuses.length && wanted.every((status) => statuses.includes(status))
  })

/** How long ago, in the form of the API. */
export const PRESETS = ['1h', '24h', '7d', '30d'] as const

/** A value of `<input type="datetime-local">`, in the viewer's zone, as a time of the API. */
export function fromLocal(value: string): string {
  const at = new Date(value)
  return Number.isNaN(at.getTime()) ? '' : at.toISOString()
}

/** A time of the API for `<input type="datetime-local">`; empty where it is no fixed time. */
export function toLocal(value: string): string {
  if (!/^\d{4}-/.test(value)) return ''
  const at = new Date(value)
  if (Number.isNaN(at.getTime())) return ''
  const two = (part: number): string => String(part).padStart(2, '0')
  return `${String(at.getFullYear()).padStart(4, '0')}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`
}
