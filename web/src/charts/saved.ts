/** Charts that the server keeps. */
import { api, ApiError, fetchOk, ok, type Schemas } from '../api/client'

export type SavedChart = Schemas['Chart']
export type ChartLine = Schemas['ChartLineRequest']

/** What can be set of a chart. */
export type ChartBody = Pick<SavedChart, 'title' | 'labels' | 'since' | 'bucket'> & { lines: ChartLine[] }

/** A chart as it was read: `tag` tells this state from others when it is changed. */
export interface ReadChart {
  chart: SavedChart
  tag: string | undefined
}

const address = (id: string): string => `v1/charts/${encodeURIComponent(id)}`

async function readChart(answer: Response): Promise<ReadChart> {
  return { chart: (await answer.json()) as SavedChart, tag: answer.headers.get('ETag') ?? undefined }
}

export async function listCharts(): Promise<SavedChart[]> {
  const all: SavedChart[] = []
  let cursor: string | null = null
  do {
    const page: Schemas['ChartPage'] = await ok(api.GET('/v1/charts', { params: { query: cursor === null ? {} : { cursor } } }))
    all.push(...page.items)
    cursor = page.next_cursor
  } while (cursor !== null)
  return all
}

export const chartsQuery = { queryKey: ['charts', 'all'], queryFn: listCharts }

export const getChart = async (id: string): Promise<ReadChart> => readChart(await fetchOk(address(id)))

/** Saves a chart: over the state with this tag, or as a new one. Anything else there makes the server refuse. */
export async function putChart(id: string, body: ChartBody, tag: string | undefined | 'new'): Promise<ReadChart> {
  const headers: Record<string, string> = { 'Content-Type': 'application/json' }
  if (tag === 'new') headers['If-None-Match'] = '*'
  else if (tag !== undefined) headers['If-Match'] = tag
  return readChart(await fetchOk(address(id), { method: 'PUT', headers, body: JSON.stringify(body) }))
}

export async function deleteChart(id: string): Promise<void> {
  await fetchOk(address(id), { method: 'DELETE' })
}

/** Whether somebody else changed it meanwhile. */
export const isConflict = (error: unknown): boolean => error instanceof ApiError && (error.status === 412 || error.status === 409)
export const isMissing = (error: unknown): boolean => error instanceof ApiError && error.status === 404
