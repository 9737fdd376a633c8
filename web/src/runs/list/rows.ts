/** What the list keeps of a run: 100,000 of them have to fit. */
import type { Run, RunStatus } from '../../api/client'
import { isEnded } from '../../ui/status'
import { lastLine } from '../error'
import { visibleText } from '../output/ansi'
import { isFigure, type Json } from '../result/exact'
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
  previewKind: 'result' | 'error' | 'large' | 'none'
  bytes: number
}

/** So much of a result is shown. */
const PREVIEW = 200

export function rowOf(run: Run): RunRow {
  const [previewKind, preview] = previewOf(run)
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
    preview,
    previewKind,
    bytes: run.result_bytes ?? 0,
  }
}

function previewOf(run: Run): [RunRow['previewKind'], string] {
  if (!isEnded(run.status)) return ['none', '']
  if (run.error) {
    const message = run.error.message.trim() || lastLine(run.error.traceback)
    return ['error', short(message ? `${run.error.type}: ${message}` : run.error.type)]
  }
  if (run.result === null || run.result === undefined) return run.result_bytes && run.result_bytes > 4 ? ['large', ''] : ['none', '']
  return ['result', short(compact(run.result as Json))]
}

function short(text: string): string {
  const line = visibleText(text.slice(0, PREVIEW + 50).replace(/\s+/g, ' '))
  return line.length > PREVIEW ? `${line.slice(0, PREVIEW)}…` : line
}

/** JSON on one line; no more than is shown. */
export function compact(value: Json): string {
  if (typeof value === 'string') return value
  let text = ''
  const write = (part: Json): void => {
    if (text.length > PREVIEW + 50) return
    if (isFigure(part)) text += part.text
    else if (Array.isArray(part)) {
      text += '['
      for (let at = 0; at < part.length && text.length <= PREVIEW + 50; at += 1) {
        if (at > 0) text += ', '
        write(part[at] ?? null)
      }
      text += ']'
    } else if (typeof part === 'object' && part !== null) {
      text += '{'
      let isFirst = true
      for (const key of Object.keys(part)) {
        if (text.length > PREVIEW + 50) break
        text += `${isFirst ? '' : ', '}${key}: `
        isFirst = false
        write(part[key] ?? null)
      }
      text += '}'
    } else text += JSON.stringify(part)
  }
  write(value)
  return text
}
