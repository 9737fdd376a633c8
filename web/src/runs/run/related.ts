/** What led to a run and what followed from it. */
import { useQuery } from '@tanstack/vue-query'
import type { Run } from '../../api/client'
import { isEnded } from '../../ui/status'
import { getRun, getRuns } from '../ask'

/** What a related run is. */
export interface Related {
  id: string
  how: 'retryOf' | 'upstream' | 'stoodInBy' | 'retry' | 'chained' | 'previous'
  run: Run | undefined
}

/** Pages of 500 that are looked through for what followed. */
const PAGES = 4
/** A chain goes on at once; after so long nothing more comes of it, in milliseconds. */
const CHAIN_TAKES = 3_600_000
/** What follows comes mostly so soon after the end, in milliseconds; in that time it is looked for often, and then seldom. */
const SOON = 60_000
const OFTEN = 2000
const SELDOM = 60_000

async function look(question: Record<string, string>, isIt: (run: Run) => boolean, signal: AbortSignal): Promise<Run[]> {
  const found: Run[] = []
  let cursor: string | null = ''
  for (let page = 0; page < PAGES && cursor !== null; page += 1) {
    const wanted = new URLSearchParams({ ...question, limit: '500', ...(cursor ? { cursor } : {}) })
    const answer = await getRuns(wanted.toString(), signal)
    found.push(...answer.items.filter(isIt))
    cursor = answer.next_cursor
  }
  return found
}

/** The runs that a run names. One that was deleted meanwhile has no data. */
export function useBefore(run: () => Run) {
  return useQuery({
    queryKey: ['runs', () => run().id, 'before', () => [run().retry_of, run().upstream, run().stood_in_by]],
    queryFn: async ({ signal }): Promise<Related[]> => {
      const { retry_of, upstream, stood_in_by } = run()
      const named: [Related['how'], string | null | undefined][] = [['retryOf', retry_of], ['upstream', upstream], ['stoodInBy', stood_in_by]]
      return Promise.all(
        named.flatMap(([how, id]) => (id ? [{ how, id }] : [])).map(async ({ how, id }) => ({ how, id, run: await getRun(id, signal).catch(() => undefined) })),
      )
    },
    staleTime: ({ state }) => (state.data?.every((each) => !each.run || isEnded(each.run.status)) ? 'static' : 0),
    structuralSharing: false,
  })
}

/** Retries of a run, and runs that its end made due, oldest first. */
export function useAfter(run: () => Run) {
  return useQuery({
    // Not under `runs`: it is up to some thousand runs, which are not read again for each event of any run.
    queryKey: ['after', () => run().id, () => run().finished_at],
    queryFn: async ({ signal }): Promise<Related[]> => {
      const { id, script, created_at, finished_at } = run()
      const until = new Date(Date.parse(finished_at ?? created_at) + CHAIN_TAKES).toISOString()
      const [retries, chained] = await Promise.all([
        look({ cause: 'retry', script, since: created_at }, (each) => each.retry_of === id, signal),
        look({ cause: 'chain', since: created_at, until }, (each) => each.upstream === id, signal),
      ])
      return [...retries.map((each) => ({ how: 'retry' as const, id: each.id, run: each })), ...chained.map((each) => ({ how: 'chained' as const, id: each.id, run: each }))].reverse()
    },
    enabled: () => isEnded(run().status),
    refetchInterval: () => (Date.now() - Date.parse(run().finished_at ?? '') < SOON ? OFTEN : SELDOM),
    structuralSharing: false,
  })
}

/** The run of the same script before this one. */
export async function previousOf(run: Run, signal: AbortSignal): Promise<Run | undefined> {
  const wanted = new URLSearchParams({ script: run.script, until: run.created_at, limit: '5' })
  return (await getRuns(wanted.toString(), signal)).items.find((each) => each.script === run.script && each.id !== run.id)
}
