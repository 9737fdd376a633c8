/** How far backfills of a schedule are. */
import { useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { api, ok, type Schemas } from '../api/client'
import { progressOf } from './progress'

/** Counts the runs of backfills that were made since a time: RFC 3339, or `24h`. */
export function useBackfill(schedule: MaybeRefOrGetter<string>, since: MaybeRefOrGetter<string | undefined>) {
  const query = useQuery({
    queryKey: ['counts', 'backfill', computed(() => toValue(schedule)), computed(() => toValue(since))],
    queryFn: async () => {
      const params = { query: { schedule: toValue(schedule), cause: 'backfill' as const, since: toValue(since) ?? '24h', bucket: '1d' } }
      return (await ok(api.GET('/v1/runs/counts', { params }))) as Schemas['CountPage']
    },
    enabled: computed(() => toValue(since) !== undefined),
  })
  return computed(() => (query.data.value ? progressOf(query.data.value.items) : undefined))
}
