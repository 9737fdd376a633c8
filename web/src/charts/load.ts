/** Reads series from the server. */
import { api, ok, type Schemas } from '../api/client'
import { Paced } from './paced'
import { autoBucket, duration, samplesOf, type Sample } from './series'

export type Aggregate = 'avg' | 'sum' | 'min' | 'max' | 'count' | 'first' | 'last'
export const AGGREGATES: readonly Aggregate[] = ['avg', 'sum', 'min', 'max', 'count', 'first', 'last']

/** What one line shows. */
export interface SeriesRequest {
  script: string
  /** A JSON Pointer into the results. */
  path: string
  agg?: Aggregate | undefined
  /** `30d`, or an instant; nothing: everything. */
  since?: string | undefined
  until?: string | undefined
  /** The width of the slots, null for each value as it is, or `auto`: slots where there are too many values to see. */
  bucket: string | null
}

export interface Series {
  samples: Sample[]
  /** The slots that it came in; undefined: each value as it is. */
  bucket: string | undefined
  width: number | undefined
  /** There are more values than are shown. */
  isCut: boolean
}

/** Up to so many values are shown as they are, without being asked. */
const FEW = 2000
/** How many slots `auto` makes at most. */
const SLOTS = 800
const PAGE = 10_000
/** More values than anybody can see. */
const MOST = 100_000
/** How often a series is asked for again, in milliseconds, however often something happens. */
const PAUSE = 4000

const paced = new Paced(PAUSE)

type Point = Schemas['Point']

async function pages(request: SeriesRequest, bucket: string | undefined, most: number): Promise<{ points: Point[]; isCut: boolean }> {
  const points: Point[] = []
  let cursor: string | undefined
  do {
    const query = {
      path: request.path,
      limit: Math.min(PAGE, most - points.length),
      ...(request.since === undefined ? {} : { since: request.since }),
      ...(request.until === undefined ? {} : { until: request.until }),
      ...(bucket === undefined ? {} : { bucket, agg: request.agg ?? 'avg' }),
      ...(cursor === undefined ? {} : { cursor }),
    }
    const answer = api.GET('/v1/scripts/{name}/series', { params: { path: { name: request.script }, query } })
    // It can also be CSV, which is not asked for.
    const page = (await ok(answer)) as Schemas['PointPage']
    points.push(...page.items)
    cursor = page.next_cursor ?? undefined
  } while (cursor !== undefined && points.length < most)
  return { points, isCut: cursor !== undefined }
}

async function read(request: SeriesRequest): Promise<Series> {
  let bucket = request.bucket ?? undefined
  if (bucket === undefined || bucket === 'auto') {
    const isAuto = bucket === 'auto'
    const { points, isCut } = await pages(request, undefined, isAuto ? FEW : MOST)
    const first = points[0]
    if (!isAuto || !isCut || !first) return { samples: samplesOf(points), bucket: undefined, width: undefined, isCut }
    const end = request.until === undefined ? NaN : Date.parse(request.until)
    bucket = autoBucket((Number.isNaN(end) ? Date.now() : end) - Date.parse(first.at), SLOTS)
  }
  const { points, isCut } = await pages(request, bucket, MOST)
  return { samples: samplesOf(points), bucket, width: duration(bucket), isCut }
}

/** The values of one line. */
export function readSeries(request: SeriesRequest): Promise<Series> {
  return paced.ask(JSON.stringify(request), () => read(request))
}

/** For queries of many values: each would get a proxy, and would be compared with the one before. */
export const MANY = { shallow: true, structuralSharing: false } as const

export const seriesKey = (request: SeriesRequest) => ['series', 'line', request] as const

export type NumberPath = Schemas['Number']

/** The numbers in the last results of a script. */
async function readNumbers(script: string): Promise<NumberPath[]> {
  return paced.ask(`numbers of ${script}`, async () =>
    (await ok(api.GET('/v1/scripts/{name}/numbers', { params: { path: { name: script } } }))).items,
  )
}

export const numbersQuery = (script: string) => ({ queryKey: ['series', 'numbers', script] as const, queryFn: () => readNumbers(script) })
