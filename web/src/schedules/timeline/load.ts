/** Gets what the lanes show. */
import { api, ok, type Schemas } from '../../api/client'
import { markOf, markOfCount, markOfPlan, type Mark } from './marks'

export const RANGES = ['24h', '3d', '7d'] as const
export type Range = (typeof RANGES)[number]
const HOUR = 3_600_000
/** How far each range goes back, in milliseconds. It goes on for half as long. */
export const BACK: Record<Range, number> = { '24h': 24 * HOUR, '3d': 72 * HOUR, '7d': 168 * HOUR }
/** The width of a slot where runs are counted. */
const BUCKETS: Record<Range, { text: string; ms: number }> = {
  '24h': { text: '15m', ms: HOUR / 4 },
  '3d': { text: '45m', ms: 0.75 * HOUR },
  '7d': { text: '2h', ms: 2 * HOUR },
}
/** Rows that one request gets. */
const PAGE = 500

export interface Past {
  /** By schedule. */
  lanes: Record<string, Mark[]>
  /** From when on every run is there, in milliseconds; older ones have to be counted. */
  from: number
  isComplete: boolean
}

/** The runs of schedules since a time, the newest first, at most so many pages of them. */
export async function loadPast(since: number, pages: number, schedule?: string): Promise<Past> {
  const lanes: Record<string, Mark[]> = {}
  let cursor: string | null = null
  let from = since
  for (let page = 0; page < pages; page += 1) {
    const query = {
      since: new Date(since).toISOString(),
      limit: PAGE,
      ...(schedule === undefined ? {} : { schedule }),
      ...(cursor === null ? {} : { cursor }),
    }
    const answer = (await ok(api.GET('/v1/runs', { params: { query } }))) as Schemas['RunPage']
    for (const run of answer.items) if (run.schedule !== null) (lanes[run.schedule] ??= []).push(markOf(run))
    cursor = answer.next_cursor
    if (cursor === null) return { lanes, from: since, isComplete: true }
    from = Date.parse(answer.items.at(-1)?.created_at ?? '') || from
  }
  return { lanes, from, isComplete: false }
}

/** The runs of one schedule that are too many to get each. */
export async function loadCounts(schedule: string, since: number, until: number, range: Range): Promise<Mark[]> {
  const { text, ms } = BUCKETS[range]
  const query = { schedule, since: new Date(since).toISOString(), until: new Date(until).toISOString(), bucket: text }
  const { items } = (await ok(api.GET('/v1/runs/counts', { params: { query } }))) as Schemas['CountPage']
  return items.map((count) => markOfCount(count, ms))
}

export interface Plan {
  marks: Mark[]
  /** Where the fire times go on beyond those that were asked for, in milliseconds. */
  goesOnFrom: number | undefined
}

/** The next fire times until a time. */
export async function loadPlan(schedule: string, until: number, count: number): Promise<Plan> {
  const { fires } = await ok(api.GET('/v1/schedules/{id}/preview', { params: { path: { id: schedule }, query: { count } } }))
  const marks = fires.map(markOfPlan)
  const last = marks.at(-1)
  return { marks: marks.filter(({ at }) => at <= until), goesOnFrom: fires.length === count && last && last.at < until ? last.at : undefined }
}
