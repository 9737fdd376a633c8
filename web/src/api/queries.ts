/** Keys of what is kept from the server, so that what changes it knows what to ask for again. */
import { QueryClient } from '@tanstack/vue-query'
import { ApiError, Unreachable } from './client'

/** The first word of a key: everything under it is asked for again together. */
export type Topic =
  | 'scripts'
  | 'names'
  | 'schedules'
  | 'runs'
  | 'counts'
  | 'series'
  | 'charts'
  | 'alerts'
  | 'channels'
  | 'deliveries'
  | 'secrets'
  | 'tokens'
  | 'grants'
  | 'ready'
  | 'scheduler'

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // What the server answered is shown, not changed: Vue need not watch each of its parts, of which there can be 50,000.
      shallow: true,
      staleTime: 10_000,
      // What is wrong with the request is wrong the second time as well.
      retry: (failures, error) => error instanceof Unreachable || (!(error instanceof ApiError) && failures < 2),
      retryDelay: (failures) => Math.min(1000 * 2 ** failures, 5000),
      refetchOnWindowFocus: true,
    },
  },
})

/** Asks again for everything under these topics that is shown, and for nothing else. */
export async function askAgain(...topics: Topic[]): Promise<void> {
  await Promise.all(topics.map((topic) => queryClient.invalidateQueries({ queryKey: [topic] })))
}

/** Asks again for what a change of these topics can have changed: a change of scripts or schedules is one of their names too. */
export async function refresh(...topics: Topic[]): Promise<void> {
  const hasNames = topics.includes('scripts') || topics.includes('schedules')
  await askAgain(...topics, ...(hasNames ? (['names'] as const) : []))
}
