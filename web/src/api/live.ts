/** Keeps what is shown up to date: follows the server's feed, and comes back when the server does. */
import { readonly, ref } from 'vue'
import { ApiError, request, type Schemas, Starting } from './client'
import { askAgain, queryClient, type Topic } from './queries'
import { messages } from './stream'

export type Connection = 'connecting' | 'live' | 'starting' | 'lost'

const state = ref<Connection>('connecting')
/** Whether the server can be reached. */
export const connection = readonly(state)

/**
 * What changed is asked for again at most once in so many milliseconds: a busy server has many events a second, and a page that
 * is open all day must cost it nothing that counts.
 */
const PACE: Partial<Record<Topic, number>> = { runs: 1500, schedules: 3000, scripts: 4000, names: 4000, counts: 10_000, series: 10_000, scheduler: 3000, alerts: 1500, deliveries: 1500 }
/** A first change is shown after so many milliseconds. */
const SOON = 250

/** The longest wait before the next try, in milliseconds. */
const LONGEST_WAIT = 2000

const waiting = new Set<Topic>()
const last = new Map<Topic, number>()

function gather(...topics: Topic[]): void {
  for (const topic of topics) {
    if (waiting.has(topic)) continue
    waiting.add(topic)
    const due = (last.get(topic) ?? 0) + (PACE[topic] ?? 1000) - Date.now()
    setTimeout(() => {
      waiting.delete(topic)
      last.set(topic, Date.now())
      void askAgain(topic)
    }, Math.max(SOON, due))
  }
}

/** Follows the feed until the signal. */
export async function follow(signal: AbortSignal): Promise<void> {
  let after: string | undefined
  let wait = 250
  let isFirst = true
  const opened = () => {
    // What happened between two streams is told by the second one only if it knows where the first one ended.
    if (!isFirst && after === undefined) void queryClient.invalidateQueries()
    isFirst = false
  }
  while (!signal.aborted) {
    try {
      for await (const message of messages(after ? 'v1/events' : 'v1/events?since=0s', signal, after, opened)) {
        if (message.id) after = message.id
        wait = 250
        const event = JSON.parse(message.data) as Partial<Schemas['Event']>
        if (event.type?.startsWith('run_')) gather('runs', 'counts', 'scripts', 'schedules', 'series')
        else if (event.type?.startsWith('alert_')) gather('alerts', 'deliveries')
        else if (event.type === 'delivery_dead') gather('deliveries', 'channels')
        else if (event.type) gather('schedules', 'scheduler', 'scripts', 'names')
      }
    } catch (error) {
      if (signal.aborted) return
      // The feed no longer has what came after: everything is asked for again.
      if (error instanceof ApiError && error.status === 410) after = undefined
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) wait = LONGEST_WAIT
    }
    await new Promise((resolve) => setTimeout(resolve, wait))
    wait = Math.min(wait * 2, LONGEST_WAIT)
  }
}

/** Watches whether the server answers; after a loss everything is asked for again. */
export async function watch(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // One that starts is healthy, too: only an answer of the API says that it is back.
    const address = state.value === 'live' ? 'healthz' : 'v1/session'
    const now = await request(address, { signal, cache: 'no-store' }).then(
      (answer): Connection => (answer.ok ? 'live' : 'lost'),
      (error: unknown): Connection => (error instanceof Starting ? 'starting' : 'lost'),
    )
    if (signal.aborted) return
    if (now === 'live' && (state.value === 'lost' || state.value === 'starting')) void queryClient.invalidateQueries()
    state.value = now
    await new Promise((resolve) => setTimeout(resolve, now === 'live' ? 5000 : 1000))
  }
}
