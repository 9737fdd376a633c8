/** Runs as the API tells them, with the numbers of arguments and results as they were written. */
import type { Run } from '../api/client'
import { isFigure, parseExact } from './result/exact'

/** Numbers that are the server's own become JavaScript's again. */
function plain<T>(value: T): T {
  if (isFigure(value)) return Number(value.text) as T
  if (Array.isArray(value)) return value.map(plain) as T
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part as unknown)])) as T
  }
  return value
}

function fix(run: Run): Run {
  run.lateness_ms = plain(run.lateness_ms)
  run.usage = plain(run.usage)
  run.limits = plain(run.limits)
  return run
}

export function readRun(text: string): Run {
  return fix(parseExact(text) as unknown as Run)
}

export interface RunPage {
  items: Run[]
  next_cursor: string | null
}

export function readPage(text: string): RunPage {
  const page = parseExact(text) as unknown as RunPage
  page.items.forEach(fix)
  return page
}
