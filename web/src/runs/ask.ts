/** Asks for runs whose numbers stay as they were written: see `read.ts`. */
import { type MaybeRefOrGetter, toValue } from 'vue'
import { fetchOk, type Run } from '../api/client'
import { isEnded } from '../ui/status'
import { readPage, readRun, type RunPage } from './read'

export async function getRun(id: string, signal: AbortSignal): Promise<Run> {
  return readRun(await (await fetchOk(`v1/runs/${encodeURIComponent(id)}?output=false`, { signal })).text())
}

/** One run, with its result. Nothing of it changes after its end, so that events of other runs do not read it again. */
export const runQuery = (id: MaybeRefOrGetter<string>) => ({
  queryKey: ['runs', id, 'one'],
  queryFn: ({ signal }: { signal: AbortSignal }) => getRun(toValue(id), signal),
  staleTime: ({ state }: { state: { data: Run | undefined } }) => (state.data && isEnded(state.data.status) ? ('static' as const) : 0),
  structuralSharing: false,
})

export async function getRuns(question: string, signal: AbortSignal): Promise<RunPage> {
  return readPage(await (await fetchOk(`v1/runs?${question}`, { signal })).text())
}
