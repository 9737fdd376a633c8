/** A new run of a script with other arguments than an earlier run had. */
import { fetchOk, type Run } from '../../api/client'
import { bodyWith } from '../../ui/args/json'
import { writeExact, type Json } from '../result/exact'

/** The arguments of a run as text; large numbers stay as they were written. */
export function argsText(run: Run): string {
  const args = (run.args ?? {}) as Json
  return writeExact(args)
}

export type ArgsProblem = 'syntax' | 'kind'

/** What is wrong with arguments; nothing: they can be sent. */
export function problemOf(text: string): ArgsProblem | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? undefined : 'kind'
  } catch {
    return 'syntax'
  }
}

/** The request: the arguments go into it as they were typed, because JavaScript's numbers cannot hold all of them. */
export function bodyOf(run: Run, args: string, version: number | undefined): string {
  return bodyWith(args.trim() || '{}', {
    ...(run.entry ? { entry: run.entry } : {}),
    ...(run.argv.length > 0 ? { argv: run.argv } : {}),
    ...(Object.keys(run.labels).length > 0 ? { labels: run.labels } : {}),
    ...(version === undefined ? {} : { version }),
  })
}

/** Starts it; the answer is the new run. */
export async function startEdited(run: Run, args: string, version: number | undefined): Promise<Run> {
  const answer = await fetchOk(`v1/scripts/${encodeURIComponent(run.script)}/runs`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: bodyOf(run, args, version),
  })
  return (await answer.json()) as Run
}
