/** What one lane shows: the runs that all lanes share, and what only it asks for. */
import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import type { Schedule } from '../../api/client'
import { BACK, loadCounts, loadPlan, type Range } from './load'
import { together, type Mark } from './marks'

/** Counts and plans are asked for again this often, in milliseconds: not with every run that ends. */
const SELDOM = 300_000
const TEN_MINUTES = 600_000

export interface LaneProps {
  schedule: Schedule
  range: Range
  /** The time that is shown, and where the present is, in milliseconds. */
  from: number
  until: number
  present: number
  /** Moves seldom: what is asked for is asked for up to here. */
  anchor: number
  past: Mark[] | undefined
  recent: Mark[] | undefined
  /** Runs before this are only counted. */
  countUntil: number | undefined
  /** How many fire times are asked for. */
  planned: number
}

export function useLane(props: LaneProps) {
  const id = computed(() => props.schedule.id)
  const range = computed(() => props.range)
  const since = computed(() => props.anchor - BACK[props.range])
  const counts = useQuery({
    // Up to when is counted moves with every run; some minutes are near enough.
    queryKey: ['scheduler', 'timeline counts', id, since, range],
    queryFn: () => loadCounts(id.value, props.schedule.next_fire_at === null, since.value, props.countUntil ?? since.value, props.range),
    enabled: computed(() => props.countUntil !== undefined),
    staleTime: SELDOM,
    refetchInterval: SELDOM,
    placeholderData: keepPreviousData,
  })
  const plan = useQuery({
    queryKey: ['scheduler', 'plan', id, computed(() => props.schedule.updated_at), computed(() => props.anchor), range],
    queryFn: () => loadPlan(id.value, props.anchor + TEN_MINUTES + BACK[props.range] / 2, props.planned),
    enabled: computed(() => props.schedule.state === 'active' && props.schedule.next_fire_at !== null),
    staleTime: SELDOM,
    placeholderData: keepPreviousData,
  })

  const marks = computed(() => {
    const counted = props.countUntil === undefined ? [] : (counts.data.value ?? [])
    const isActive = props.schedule.state === 'active'
    const all = [
      // Rows that came since the counts were asked for are not in them; none is shown twice.
      ...counted.filter((mark) => mark.at < (props.countUntil ?? 0)),
      ...together(props.past ?? [], props.recent ?? []),
      ...(isActive ? (plan.data.value?.marks ?? []) : []).filter((mark) => mark.at > props.present),
    ]
    return all.filter((mark) => mark.until >= props.from && mark.at <= props.until)
  })
  const goesOnFrom = computed(() => (props.schedule.state === 'active' ? plan.data.value?.goesOnFrom : undefined))
  return { marks, goesOnFrom }
}
