/** What all lanes share: the time that is shown, and the runs in it. */
import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { now } from '../../ui/now'
import { BACK, loadPast, loadRecent, type Range } from './load'

const MINUTE = 60_000
/** Everything is asked for again this often, in milliseconds. */
const SOON = MINUTE
/** At most so many pages of runs are asked for; older ones are counted. */
const PAGES = 4
/** The range is divided into so many steps; marks move by a step. */
const STEPS = 2880

/** `only`: of one schedule. */
export function useTimeline(range: MaybeRefOrGetter<Range>, only: MaybeRefOrGetter<string | undefined>) {
  const back = computed(() => BACK[toValue(range)])
  const present = computed(() => Math.floor(now.value / (back.value / STEPS)) * (back.value / STEPS))
  /** Moves each ten minutes, so that keys do not change all the time. */
  const anchor = computed(() => Math.floor(now.value / (10 * MINUTE)) * 10 * MINUTE)
  const from = computed(() => present.value - back.value)
  const until = computed(() => present.value + back.value / 2)
  const since = computed(() => anchor.value - back.value)
  const id = computed(() => toValue(only))

  // Everything is asked for seldom, and what may have changed since with every event of the feed.
  const past = useQuery({
    queryKey: ['scheduler', 'timeline', id, since],
    queryFn: () => loadPast(since.value, PAGES, id.value),
    placeholderData: keepPreviousData,
    staleTime: SOON,
    refetchInterval: SOON,
  })
  const openFrom = computed(() => past.data.value?.openFrom)
  const recent = useQuery({
    queryKey: ['runs', 'timeline', id, openFrom],
    queryFn: () => loadRecent(openFrom.value ?? since.value, id.value),
    enabled: computed(() => openFrom.value !== undefined),
    placeholderData: keepPreviousData,
  })
  return { present, anchor, from, until, since, past, recent }
}
