/** Charts that the server keeps. */
import { ApiError, errorOf, request } from '../api/client'
import type { Aggregate } from './load'

export interface ChartLine {
  script: string
  /** A JSON Pointer into the results. */
  path: string
  agg?: Aggregate | null
  /** What the line is called; nothing: by its path. */
  label?: string | null
}

/** What can be set of a chart. */
export interface ChartBody {
  title: string
  labels: string[]
  lines: ChartLine[]
  /** How far back it goes: `30d`; null: everything. */
  since: string | null
  /** `1h`, `auto`, or null for each value as it is. */
  bucket: string | null
}

export interface SavedChart extends ChartBody {
  id: string
  created_at: string
  updated_at: string
  created_by: string | null
}

/** A chart as it was read: `tag` tells this state from others when it is changed. */
export interface ReadChart {
  chart: SavedChart
  tag: string | undefined
}

const address = (id: string): string => `v1/charts/${encodeURIComponent(id)}`

async function answer(path: string, init?: RequestInit): Promise<Response> {
  const got = await request(path, init)
  if (!got.ok) throw await errorOf(got)
  return got
}

async function readChart(got: Response): Promise<ReadChart> {
  return { chart: (await got.json()) as SavedChart, tag: got.headers.get('ETag') ?? undefined }
}

/** All charts; null where the server keeps none. */
export async function listCharts(): Promise<SavedChart[] | null> {
  const all: SavedChart[] = []
  let cursor: string | null = null
  do {
    const query: string = cursor === null ? '' : `?cursor=${encodeURIComponent(cursor)}`
    const got = await request(`v1/charts${query}`)
    if (got.status === 404) return null
    if (!got.ok) throw await errorOf(got)
    const page = (await got.json()) as { items: SavedChart[]; next_cursor: string | null }
    all.push(...page.items)
    cursor = page.next_cursor
  } while (cursor !== null)
  return all
}

export const getChart = async (id: string): Promise<ReadChart> => readChart(await answer(address(id)))

/** Saves a chart: over the state with this tag, or as a new one. Anything else there makes the server refuse. */
export async function putChart(id: string, body: ChartBody, tag: string | undefined | 'new'): Promise<ReadChart> {
  const headers: Record<string, string> = { 'Content-Type': 'application/json' }
  if (tag === 'new') headers['If-None-Match'] = '*'
  else if (tag !== undefined) headers['If-Match'] = tag
  return readChart(await answer(address(id), { method: 'PUT', headers, body: JSON.stringify(body) }))
}

export async function deleteChart(id: string): Promise<void> {
  await answer(address(id), { method: 'DELETE' })
}

/** Whether somebody else changed it meanwhile. */
export const isConflict = (error: unknown): boolean => error instanceof ApiError && (error.status === 412 || error.status === 409)
export const isMissing = (error: unknown): boolean => error instanceof ApiError && error.status === 404
