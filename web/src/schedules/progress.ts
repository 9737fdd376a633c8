/** How far a backfill is, by the statuses of its runs. */
import type { RunStatus, Schemas } from '../api/client'
import { FAILURES, isEnded } from '../ui/status'

export interface Progress {
  total: number
  done: number
  failed: number
}

/** What counts by status say of the whole. */
export function progressOf(counts: Pick<Schemas['Count'], 'by_status'>[]): Progress {
  const progress: Progress = { total: 0, done: 0, failed: 0 }
  for (const { by_status } of counts) {
    for (const [name, count] of Object.entries(by_status)) {
      const status = name as RunStatus
      progress.total += count
      if (isEnded(status)) progress.done += count
      if (FAILURES.includes(status)) progress.failed += count
    }
  }
  return progress
}
