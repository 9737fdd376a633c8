/** What a schedule asks for itself, in the JSON of the server. */

export const COALESCE = ['latest', 'earliest', 'all'] as const
export const OVERLAP = ['skip', 'queue_one', 'queue_all', 'cancel_running', 'allow'] as const
export const LIMITS = ['timeout', 'memory', 'fuel', 'output'] as const

/** How often a run is tried again; nothing where the schedule does not say. */
export function retriesOf(settings: Record<string, unknown>): number | undefined {
  const { retries } = settings
  if (typeof retries === 'number') return retries
  if (typeof retries === 'object' && retries !== null && 'count' in retries && typeof retries.count === 'number') return retries.count
  return undefined
}

/** The limits that a schedule asks for, as they were written. */
export function limitsOf(settings: Record<string, unknown>): Partial<Record<(typeof LIMITS)[number], string>> {
  const { limits } = settings
  const found: Partial<Record<(typeof LIMITS)[number], string>> = {}
  if (typeof limits !== 'object' || limits === null) return found
  for (const name of LIMITS) {
    const value: unknown = Reflect.get(limits, name)
    if (typeof value === 'string' || typeof value === 'number') found[name] = String(value)
  }
  return found
}
