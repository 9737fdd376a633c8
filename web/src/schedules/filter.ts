/** The filter of the list, in the address. */
import type { LocationQuery } from 'vue-router'
import type { Schedule, Schemas } from '../api/client'

export interface Filter {
  script?: string
  state?: Schemas['ScheduleState']
  q: string
}

export function filterOf(query: LocationQuery): Filter {
  const text = (key: string): string => (typeof query[key] === 'string' ? query[key] : '')
  const filter: Filter = { q: text('q') }
  if (text('script')) filter.script = text('script')
  const state = text('state')
  if (state === 'active' || state === 'paused' || state === 'finished') filter.state = state
  return filter
}

/** What the server is asked for. */
export function asked({ script, state }: Filter): { script?: string; state?: Schemas['ScheduleState'] } {
  return { ...(script ? { script } : {}), ...(state ? { state } : {}) }
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
