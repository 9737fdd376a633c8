/** Keeps what is shown up to date: follows the server's feed, and comes back when the server does. */
import { readonly, ref } from 'vue'
import { ApiError, type Schemas } from './client'
import { queryClient, refresh, type Topic } from './queries'
import { messages } from './stream'

export type Connection = 'connecting' | 'live' | 'lost'

const state = ref<Connection>('connecting')
/** Whether the server can be reached. */
export const connection = readonly(state)

/** What is asked for again is gathered for this long, in milliseconds: a busy server has many events a second. */
const GATHER = 400
/** The longest wait before the next try, in milliseconds. */
const LONGEST_WAIT = 4000

const gathered = new Set<Topic>()
let timer: ReturnType<typeof setTimeout> | undefined

function gather(...topics: Topic[]): void {
  for (const topic of topics) gathered.add(topic)
  timer ??= setTimeout(() => {
    timer = undefined
    const now = [...gathered]
    gathered.clear()
    void refresh(...now)
  }, GATHER)
}

/** Follows the feed until the signal. */
export async function follow(signal: AbortSignal): Promise<void> {
  let after: string | undefined
  let wait = 250
  while (!signal.aborted) {
    try {
      for await (const message of messages(after ? 'v1/events' : 'v1/events?since=0s', signal, after)) {
        if (message.id) after = message.id
        wait = 250
        const event = JSON.parse(message.data) as Partial<Schemas['Event']>
        if (event.type?.startsWith('run_')) gather('runs', 'counts', 'scripts', 'schedules', 'series')
        else if (event.type) gather('schedules', 'scheduler', 'scripts')
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
    const answers = await fetch(new URL('healthz', document.baseURI), { signal, cache: 'no-store' }).then(
      (answer) => answer.ok,
      () => false,
    )
    if (signal.aborted) return
    if (answers && state.value === 'lost') void queryClient.invalidateQueries()
    state.value = answers ? 'live' : 'lost'
    await new Promise((resolve) => setTimeout(resolve, answers ? 5000 : 1000))
  }
}
