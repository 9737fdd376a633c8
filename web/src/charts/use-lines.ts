/** The lines of a chart, with their values. */
import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed, toValue, type ComputedRef, type MaybeRefOrGetter } from 'vue'
import { useI18n } from 'vue-i18n'
import { queryClient } from '../api/queries'
import { lineNames, type DraftLine } from './chart-form'
import { MANY, readSeries, seriesKey, type Series, type SeriesRequest } from './load'
import type { Line } from './series'

export interface LinesWanted {
  lines: readonly Omit<DraftLine, 'key'>[]
  since: string | undefined
  until?: string | undefined
  bucket: string | null
}

export interface LineProblem {
  name: string
  error: unknown
}

/** For so long values are taken as they were read, in milliseconds, when another line is added. */
const FRESH = 10_000

export function useLines(wanted: MaybeRefOrGetter<LinesWanted>): {
  lines: ComputedRef<Line[]>
  problems: ComputedRef<LineProblem[]>
  isPending: ComputedRef<boolean>
  isFetching: ComputedRef<boolean>
  /** The slots that the values came in, where they did. */
  bucket: ComputedRef<string | undefined>
  isCut: ComputedRef<boolean>
} {
  const { t } = useI18n()
  const requests = computed<SeriesRequest[]>(() => {
    const { lines, since, until, bucket } = toValue(wanted)
    return lines.map(({ script, path, agg }) => ({ script, path, agg: agg === '' ? undefined : agg, since, until, bucket }))
  })
  const read = (request: SeriesRequest): Promise<Series> =>
    queryClient.fetchQuery({ queryKey: seriesKey(request), queryFn: () => readSeries(request), staleTime: FRESH, structuralSharing: false })

  const query = useQuery({
    queryKey: computed(() => ['series', 'chart', requests.value] as const),
    // A line that cannot be read does not take the others along.
    queryFn: async ({ queryKey }) => {
      const asked = [...queryKey[2]]
      return { asked, answers: await Promise.allSettled(asked.map(read)) }
    },
    placeholderData: keepPreviousData,
    ...MANY,
  })

  const names = computed(() => lineNames(toValue(wanted).lines, t('charts.result')))
  /** The answer to each request; while another set is being read, what is known of it. */
  const answers = computed(() =>
    requests.value.map(({ script, path }, at) => {
      const data = query.data.value
      const known = data?.asked[at]
      if (known?.script === script && known.path === path) return data?.answers[at]
      const place = data?.asked.findIndex((asked) => asked.script === script && asked.path === path) ?? -1
      return place < 0 ? undefined : data?.answers[place]
    }),
  )
  const lines = computed<Line[]>(() =>
    requests.value.map(({ script, path, agg }, at) => {
      const answer = answers.value[at]
      const series = answer?.status === 'fulfilled' ? answer.value : undefined
      return {
        key: `${at} ${script} ${path} ${agg ?? ''}`, label: names.value[at] ?? path, script,
        samples: series?.samples ?? [], width: series?.width,
      }
    }),
  )
  const problems = computed(() =>
    answers.value.flatMap((answer, at) => (answer?.status === 'rejected' ? [{ name: names.value[at] ?? '', error: answer.reason as unknown }] : [])),
  )
  const series = computed(() => answers.value.flatMap((answer) => (answer?.status === 'fulfilled' ? [answer.value] : [])))
  return {
    lines,
    problems,
    isPending: computed(() => query.isPending.value),
    isFetching: computed(() => query.isFetching.value),
    bucket: computed(() => series.value.find((each) => each.bucket !== undefined)?.bucket),
    isCut: computed(() => series.value.some((each) => each.isCut)),
  }
}
