/** Addresses of what a chart is made from. */
import type { RouteLocationRaw } from 'vue-router'
import { runAddress } from '../addresses'
import type { Line, Sample } from './series'

/** Where a point came from: its run, or the runs of its slot. */
export function originOf(line: Pick<Line, 'script' | 'width'>, sample: Sample): RouteLocationRaw {
  if (sample.run !== undefined) return runAddress(sample.run)
  const query: Record<string, string> = { script: line.script, status: 'succeeded', since: new Date(sample.at).toISOString() }
  if (line.width !== undefined) query['until'] = new Date(sample.at + line.width).toISOString()
  return { path: '/runs', query }
}

/** A new chart of a number of a script's results. */
export const newChart = (script: string, path: string): RouteLocationRaw => ({ path: '/charts/new', query: { script, path } })
