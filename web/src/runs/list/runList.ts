/**
 * The rows of the list, newest first, by pages. Unlike other lists it is not asked for again as a whole when something happens:
 * it may have 100,000 rows, and rows must not move under the reader's eyes. Two small questions, which follow the feed, keep it up
 * to date: for the newest runs (which tell of new ones), and for those in sight that have not ended.
 */
import { useQuery } from '@tanstack/vue-query'
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'
import { ApiError, fetchOk, Unreachable, type Run, type Schemas } from '../../api/client'
import { connection } from '../../api/live'
import { needsLogin } from '../../session/session'
import { isEnded } from '../../ui/status'
import { getRun, getRuns } from '../ask'
import { toQuestion, type RunFilter } from './filter'
import { rowOf, type RunRow } from './rows'

/** Rows of a page: reading one takes some milliseconds. */
const PAGE = 200
/** So many of the newest runs are looked at for new ones. */
const NEWEST = 100
/** How often what has not ended is looked at, in milliseconds: the feed tells only how runs ended. */
const LOOK_AGAIN = 4000

export function useRunList(filter: () => RunFilter, inSight: () => RunRow[]) {
  const rows = shallowRef<RunRow[]>([])
  const known = new Map<string, number>()
  const cursor = ref<string | null>(null)
  const isLoading = ref(false)
  const isFirst = computed(() => isLoading.value && rows.value.length === 0)
  const error = shallowRef<unknown>()
  const isWhole = ref(false)
  let stop = new AbortController()
  const question = computed(() => toQuestion(filter()))

  function add(items: readonly Run[]): void {
    const all = rows.value.slice()
    for (const item of items) {
      if (known.has(item.id)) continue
      known.set(item.id, all.length)
      all.push(rowOf(item))
    }
    rows.value = all
  }

  async function loadMore(): Promise<void> {
    if (isLoading.value || isWhole.value) return
    isLoading.value = true
    error.value = undefined
    const { signal } = stop
    try {
      // The server looks through some runs at a time: a page can be empty and not be the last.
      for (let isFound = false; !isFound && !isWhole.value; ) {
        const page = await getRuns(toQuestion(filter(), { limit: String(PAGE), ...(cursor.value ? { cursor: cursor.value } : {}) }), signal)
        if (signal.aborted) return
        add(page.items)
        cursor.value = page.next_cursor
        isWhole.value = page.next_cursor === null
        isFound = page.items.length > 0
      }
    } catch (caught) {
      if (!signal.aborted) error.value = caught
    } finally {
      if (!signal.aborted) isLoading.value = false
    }
  }

  function restart(): void {
    stop.abort()
    stop = new AbortController()
    rows.value = []
    known.clear()
    cursor.value = null
    isWhole.value = false
    isLoading.value = false
    void loadMore()
  }
  watch(question, restart, { immediate: true })
  watch(connection, (now) => {
    if (now === 'live' && error.value instanceof Unreachable) void loadMore()
  })
  // After a new login the list goes on where the old session ended.
  watch(needsLogin, (needs) => {
    if (!needs && error.value instanceof ApiError && error.value.status === 401) void loadMore()
  })
  onScopeDispose(() => stop.abort())

  function update(items: readonly Run[]): void {
    let all: RunRow[] | undefined
    for (const item of items) {
      const at = known.get(item.id)
      const before = at === undefined ? undefined : rows.value[at]
      if (at === undefined || !before || (before.status === item.status && isEnded(item.status))) continue
      all ??= rows.value.slice()
      all[at] = rowOf(item)
    }
    if (all) rows.value = all
  }

  const newest = useQuery({
    queryKey: ['runs', 'newest', question],
    queryFn: ({ signal }) => getRuns(toQuestion(filter(), { limit: String(NEWEST) }), signal),
    // What the list could not get is not asked for a second time.
    enabled: () => rows.value.length > 0 || isWhole.value,
    refetchInterval: LOOK_AGAIN,
    structuralSharing: false,
    gcTime: 0,
  })
  /** Runs that were made since the list was read. */
  const fresh = computed(() => {
    const items = newest.data.value?.items ?? []
    if (isFirst.value || (rows.value.length === 0 && isLoading.value)) return []
    const first = rows.value[0]
    // Ids of runs are in the order of their making.
    return items.filter((item) => !known.has(item.id) && (!first || item.id > first.id))
  })
  watch(newest.data, (page) => page && update(page.items))

  /** Puts new runs at the top; when there are more than were looked at, the list is read from its beginning. */
  function showFresh(): void {
    if (fresh.value.length >= NEWEST) return restart()
    rows.value = [...fresh.value.map(rowOf), ...rows.value]
    known.clear()
    rows.value.forEach((row, at) => known.set(row.id, at))
  }
  // An empty list has no reader's eyes on a row.
  watch(fresh, (now) => {
    if (now.length > 0 && rows.value.length === 0) showFresh()
  })

  const open = computed(() =>
    inSight().filter((row) => !isEnded(row.status)).map((row) => row.id).slice(0, 60),
  )
  const now = useQuery({
    queryKey: ['runs', 'open', open],
    queryFn: ({ signal }) => Promise.all(open.value.map((id) => getRun(id, signal))),
    enabled: () => open.value.length > 0,
    refetchInterval: LOOK_AGAIN,
    structuralSharing: false,
    gcTime: 0,
  })
  watch(now.data, (items) => items && update(items))

  /** How many there are; undefined where the server cannot count them by this filter. */
  const counted = useQuery({
    queryKey: ['counts', 'runs', question],
    queryFn: async () => {
      const { script, schedule, status, cause, label, since, until } = filter()
      const all = { script, schedule, status: status.join(','), cause, label, since: since || '3650d', until, bucket: '3650d' }
      const wanted = new URLSearchParams(Object.entries(all).filter(([, value]) => value !== ''))
      const page = (await (await fetchOk(`v1/runs/counts?${wanted}`)).json()) as Schemas['CountPage']
      return page.items.reduce((sum, slot) => sum + slot.total, 0)
    },
    enabled: () => {
      const { id, min_duration, error_contains, result } = filter()
      return [id, min_duration, error_contains, result].every((each) => each === '')
    },
  })

  return { rows, isFirst, isLoading, isWhole, error, loadMore, restart, fresh, showFresh, count: counted.data }
}
