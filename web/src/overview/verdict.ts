/** Whether all is well, in one look. */
import type { Run, Schemas } from '../api/client'
import { FAILURES, NOT_RUN } from '../ui/status'

/** A run that began more than this after it could, in milliseconds, is told as late. */
export const LATE_MS = 60_000

export interface Totals {
  succeeded: number
  failed: number
  notRun: number
  other: number
}

/** The runs of some slots of time by how they ended. */
export function totals(counts: readonly Schemas['Count'][]): Totals {
  const sum: Totals = { succeeded: 0, failed: 0, notRun: 0, other: 0 }
  for (const count of counts) {
    for (const [status, n] of Object.entries(count.by_status as Record<string, number>)) {
      if (status === 'succeeded') sum.succeeded += n
      else if ((FAILURES as string[]).includes(status)) sum.failed += n
      else if ((NOT_RUN as string[]).includes(status)) sum.notRun += n
      else sum.other += n
    }
  }
  return sum
}

/** Runs that a schedule started late, newest first. */
export const lateRuns = (fired: readonly Run[]): Run[] => fired.filter((run) => (run.lateness_ms ?? 0) > LATE_MS)

/** `bad`: something is broken now. `warn`: something went wrong lately. */
export type Verdict = 'good' | 'warn' | 'bad'

export function verdict(health: Schemas['Ready'] | undefined, sum: Totals, late: number, isPaused: boolean, firing: number): Verdict {
  if (health && !health.ready) return 'bad'
  if (sum.failed > 0) return 'bad'
  if (sum.notRun > 0 || late > 0 || firing > 0 || isPaused || (health?.warnings.length ?? 0) > 0) return 'warn'
  return 'good'
}

/** The hours of a span that ends now, oldest first; an hour without runs has none in the answer of the server. */
export function hours(counts: readonly Schemas['Count'][], now: number, count: number): { at: number; sum: Totals }[] {
  const HOUR = 3_600_000
  const known = new Map(counts.map((each) => [new Date(each.at).getTime(), each]))
  const last = Math.floor(now / HOUR) * HOUR
  return Array.from({ length: count }, (_, step) => {
    const at = last - (count - 1 - step) * HOUR
    const found = known.get(at)
    return { at, sum: totals(found ? [found] : []) }
  })
}
