/** The filter of the list, in the address. */
import type { LocationQuery } from 'vue-router'
import type { Schedule, Schemas } from '../api/client'

export interface Filter {
  script?: string
  state?: Schemas['ScheduleState']
  q: string
  /** The soonest first: only those that fire at all. */
  isSoonest?: boolean
}

/** So far ahead that every fire time is before it. */
const EVER = '36500d'

export function filterOf(query: LocationQuery): Filter {
  const text = (key: string): string => (typeof query[key] === 'string' ? query[key] : '')
  const filter: Filter = { q: text('q') }
  if (text('script')) filter.script = text('script')
  const state = text('state')
  if (state === 'active' || state === 'paused' || state === 'finished') filter.state = state
  if (query['order'] === 'soonest') filter.isSoonest = true
  return filter
}

/** What the server is asked for. */
export function asked({ script, state, isSoonest }: Filter): { script?: string; state?: Schemas['ScheduleState']; until?: string } {
  return { ...(script ? { script } : {}), ...(state ? { state } : {}), ...(isSoonest ? { until: EVER } : {}) }
}

/** The schedules whose id, title, script or label holds the text. */
export function found(schedules: Schedule[], text: string): Schedule[] {
  const wanted = text.trim().toLowerCase()
  if (!wanted) return schedules
  return schedules.filter(({ id, title, script, labels }) => {
    const all = [id, title ?? '', script, ...Object.entries(labels).map((label) => label.join('='))]
    return all.some((each) => each.toLowerCase().includes(wanted))
  })
}
