/** What the lanes show, kept up to date. */
import { keepPreviousData, useQueries, useQuery } from '@tanstack/vue-query'
import { computed, type MaybeRefOrGetter, toValue } from 'vue'
import type { Schedule } from '../../api/client'
import { now } from '../../ui/now'
import { BACK, loadCounts, loadPast, loadPlan, loadRecent, type Range } from './load'
import { together, type Mark } from './marks'

export interface Lane {
  id: string
  state: Schedule['state']
  marks: Mark[]
  goesOnFrom: number | undefined
}

const MINUTE = 60_000
/** Counts and plans are asked for again this often, in milliseconds: not with every run that ends. */
const SELDOM = 5 * MINUTE
/** Everything is asked for again this often, in milliseconds. */
const SOON = MINUTE
/** At most so many pages of runs are asked for; older ones are counted. */
const PAGES = 4

export function useLanes(schedules: MaybeRefOrGetter<Schedule[]>, range: MaybeRefOrGetter<Range>, single = false) {
  /** The present to half a minute: marks do not have to move each second. */
  const present = computed(() => Math.floor(now.value / 30_000) * 30_000)
  /** Moves each ten minutes, so that keys do not change all the time. */
  const anchor = computed(() => Math.floor(now.value / (10 * MINUTE)) * 10 * MINUTE)
  const from = computed(() => present.value - BACK[toValue(range)])
  const until = computed(() => present.value + BACK[toValue(range)] / 2)
  const since = computed(() => anchor.value - BACK[toValue(range)])
  const ids = computed(() => toValue(schedules).map(({ id }) => id))

  const only = computed(() => (single ? ids.value[0] : undefined))
  // Everything is asked for seldom, and what may have changed since with every event of the feed.
  const past = useQuery({
    queryKey: ['scheduler', 'timeline', only, since],
    queryFn: () => loadPast(since.value, PAGES, only.value),
    enabled: computed(() => ids.value.length > 0),
    placeholderData: keepPreviousData,
    staleTime: SELDOM,
    refetchInterval: SOON,
  })
  const openFrom = computed(() => past.data.value?.openFrom)
  const recent = useQuery({
    queryKey: ['runs', 'timeline', only, openFrom],
    queryFn: () => loadRecent(openFrom.value ?? since.value, only.value),
    enabled: computed(() => openFrom.value !== undefined),
    placeholderData: keepPreviousData,
  })
  const counts = useQueries({
    queries: computed(() =>
      past.data.value?.isComplete === false
        ? toValue(schedules).map(({ id, next_fire_at }) => ({
            // The newest time that is counted moves with every run; a quarter of an hour is near enough.
            queryKey: ['scheduler', 'timeline counts', id, since.value, toValue(range)],
            queryFn: () => loadCounts(id, next_fire_at === null, since.value, past.data.value?.from ?? since.value, toValue(range)),
            staleTime: SELDOM,
            refetchInterval: SELDOM,
          }))
        : [],
    ),
  })
  const plans = useQueries({
    queries: computed(() =>
      toValue(schedules).map((schedule) => ({
        queryKey: ['scheduler', 'plan', schedule.id, schedule.updated_at, schedule.state, anchor.value, toValue(range)],
        queryFn: () => loadPlan(schedule.id, anchor.value + 10 * MINUTE + BACK[toValue(range)] / 2, single ? 1000 : 300),
        enabled: schedule.state === 'active' && schedule.next_fire_at !== null,
        staleTime: SELDOM,
        placeholderData: keepPreviousData,
      })),
    ),
  })

  const lanes = computed<Lane[]>(() =>
    toValue(schedules).map(({ id, state }, at) => {
      const rows = together(past.data.value?.lanes[id] ?? [], recent.data.value?.[id] ?? [])
      const counted = counts.value[at]?.data ?? []
      const plan = plans.value[at]?.data
      // Rows that came since the counts were asked for are not in them; none is shown twice.
      const exact = past.data.value?.from ?? 0
      const marks = [...counted.filter((mark) => mark.at < exact), ...rows, ...(plan?.marks ?? []).filter((mark) => mark.at > present.value)]
      return { id, state, marks: marks.filter((mark) => mark.until >= from.value && mark.at <= until.value), goesOnFrom: plan?.goesOnFrom }
    }),
  )
  return { lanes, from, until, present, past }
}
