/** Gets what the lanes show. */
import { api, ok, type Run, type Schemas } from '../../api/client'
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

export type Marks = Record<string, Mark[]>

export interface Past {
  /** By schedule. */
  lanes: Marks
  /** From when on every run is there, in milliseconds; older ones have to be counted. */
  from: number
  isComplete: boolean
  /** From when on something may have changed since: runs that had not ended, and what is new. */
  openFrom: number
}

/** How many of the newest runs are asked for with every event of the feed. */
const RECENT = 100

async function page(since: number, limit: number, schedule: string | undefined, cursor: string | null): Promise<Schemas['RunPage']> {
  const query = {
    since: new Date(since).toISOString(),
    limit,
    ...(schedule === undefined ? {} : { schedule }),
    ...(cursor === null ? {} : { cursor }),
  }
  return (await ok(api.GET('/v1/runs', { params: { query } }))) as Schemas['RunPage']
}

function add(lanes: Marks, runs: Run[]): void {
  for (const run of runs) if (run.schedule !== null) (lanes[run.schedule] ??= []).push(markOf(run))
}

/** The runs of schedules since a time, the newest first, at most so many pages of them. */
export async function loadPast(since: number, pages: number, schedule?: string): Promise<Past> {
  const lanes: Marks = {}
  let cursor: string | null = null
  let [from, isComplete, newest] = [since, false, since]
  for (let at = 0; at < pages && !isComplete; at += 1) {
    const { items, next_cursor }: Schemas['RunPage'] = await page(since, PAGE, schedule, cursor)
    add(lanes, items)
    if (at === 0) newest = Date.parse(items[0]?.created_at ?? '') || since
    from = Date.parse(items.at(-1)?.created_at ?? '') || from
    cursor = next_cursor
    isComplete = cursor === null
  }
  const open = Object.values(lanes).flat().filter(({ kind }) => kind === 'running' || kind === 'waiting')
  return { lanes, from: isComplete ? since : from, isComplete, openFrom: Math.min(newest, ...open.map(({ madeFrom }) => madeFrom)) }
}

/** The newest runs: of those that had not ended, and those that are new. */
export async function loadRecent(since: number, schedule?: string): Promise<Marks> {
  const lanes: Marks = {}
  add(lanes, (await page(since, RECENT, schedule, null)).items)
  return lanes
}

/**
 * The runs of one schedule that are too many to get each. They are counted by the time they were made: the runs of a backfill
 * would be at the wrong place, so they are not counted.
 */
export async function loadCounts(schedule: string, isChain: boolean, since: number, until: number, range: Range): Promise<Mark[]> {
  const { text, ms } = BUCKETS[range]
  const cause = isChain ? ('chain' as const) : ('fire' as const)
  const query = { schedule, cause, since: new Date(since).toISOString(), until: new Date(until).toISOString(), bucket: text }
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
