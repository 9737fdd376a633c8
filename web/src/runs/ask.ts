/** Asks for runs whose numbers stay as they were written: see `read.ts`. */
import { fetchOk, type Run } from '../api/client'
import { readPage, readRun, type RunPage } from './read'

export async function getRun(id: string, signal: AbortSignal): Promise<Run> {
  return readRun(await (await fetchOk(`v1/runs/${encodeURIComponent(id)}?output=false`, { signal })).text())
}

export async function getRuns(question: string, signal: AbortSignal): Promise<RunPage> {
  return readPage(await (await fetchOk(`v1/runs?${question}`, { signal })).text())
}
