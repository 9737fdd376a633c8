/** What the overview asks the server, and how often. */
import { useQuery } from '@tanstack/vue-query'
import { api, fetchOk, ok, type RunStatus, type Schemas } from '../api/client'
import { FAILURES, NOT_RUN } from '../ui/status'

/** How far back the overview looks. */
export const SPAN = '24h'
/** Runs that begin are not in the feed of events, which tells of ends: they are asked for this often, in milliseconds. */
const OFTEN = 5000
/** What is not in the feed at all. */
const SELDOM = 15_000

const runs = (status: RunStatus[], limit: number, since?: string) =>
  ok(api.GET('/v1/runs', { params: { query: { status, limit, ...(since ? { since } : {}) } } }))

export const useRunning = () =>
  useQuery({ queryKey: ['runs', 'running'], queryFn: () => runs(['running', 'queued'], 20), refetchInterval: OFTEN })

export const useFailed = () => useQuery({ queryKey: ['runs', 'failed', SPAN], queryFn: () => runs(FAILURES, 8, SPAN) })

export const useNotRun = () => useQuery({ queryKey: ['runs', 'not-run', SPAN], queryFn: () => runs(NOT_RUN, 8, SPAN) })

/** The newest runs of schedules: some of them began late. */
export const useFired = () =>
  useQuery({
    queryKey: ['runs', 'fired', SPAN],
    queryFn: () => ok(api.GET('/v1/runs', { params: { query: { cause: 'fire', since: SPAN, limit: 100 } } })),
  })

export const useCounts = () =>
  useQuery({
    queryKey: ['counts', SPAN],
    queryFn: () => ok(api.GET('/v1/runs/counts', { params: { query: { bucket: '1h', since: SPAN } } })),
    refetchInterval: 60_000,
  })

export const useNext = () =>
  useQuery({
    queryKey: ['schedules', 'next'],
    queryFn: () => ok(api.GET('/v1/schedules', { params: { query: { until: SPAN, limit: 8 } } })),
    refetchInterval: SELDOM,
  })

export const useScheduler = () =>
  useQuery({ queryKey: ['scheduler'], queryFn: () => ok(api.GET('/v1/scheduler')), refetchInterval: 60_000 })

/** The health of the node. A node that is not ready answers 503, with the same body. */
export const useHealth = () =>
  useQuery({
    queryKey: ['ready'],
    queryFn: async () => {
      const answer = await fetch(new URL('readyz', document.baseURI), { cache: 'no-store' })
      if (answer.status !== 503 && !answer.ok) return (await fetchOk('readyz')).json() as Promise<Schemas['Ready']>
      return (await answer.json()) as Schemas['Ready']
    },
    refetchInterval: SELDOM,
  })

/** Whether there is any script: without one the page teaches the first step. */
export const useAnyScript = () =>
  useQuery({ queryKey: ['scripts', 'any'], queryFn: () => ok(api.GET('/v1/scripts', { params: { query: { limit: 1 } } })) })
