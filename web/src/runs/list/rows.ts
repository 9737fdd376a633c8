/** What the list keeps of a run: 100,000 of them have to fit. */
import type { Run, RunStatus } from '../../api/client'
import { type Preview, previewOf } from '../preview'
import type { Cause } from './filter'

export interface RunRow {
  id: string
  script: string
  version: number | null
  cause: Cause
  schedule: string | null
  createdAt: string
  /** When it is or was to begin, for runs that wait. */
  runAt: string
  startedAt: string | null
  status: RunStatus
  reason: string | null
  /** How long its last attempt took, in milliseconds. */
  took: number | null
  attempt: number
  /** One line: the result, or what went wrong. */
  preview: string
  previewKind: Preview['kind']
  bytes: number
}

export function rowOf(run: Run): RunRow {
  const { kind, text } = previewOf(run)
  return {
    id: run.id,
    script: run.script,
    version: run.version,
    cause: run.cause,
    schedule: run.schedule,
    createdAt: run.created_at,
    runAt: run.run_at,
    startedAt: run.started_at,
    status: run.status,
    reason: run.reason,
    took: run.usage?.wall_ms ?? (run.started_at && run.finished_at ? Date.parse(run.finished_at) - Date.parse(run.started_at) : null),
    attempt: run.attempt,
    preview: text,
    previewKind: kind,
    bytes: run.result_bytes ?? 0,
  }
}
