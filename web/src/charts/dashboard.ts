/** Saved charts by label. */
import type { SavedChart } from './saved'

/** Each label with how many charts it has, the most used first. */
export function labelCounts(charts: readonly Pick<SavedChart, 'labels'>[]): { label: string; count: number }[] {
  const counts = new Map<string, number>()
  for (const label of charts.flatMap((chart) => chart.labels)) counts.set(label, (counts.get(label) ?? 0) + 1)
  return [...counts].map(([label, count]) => ({ label, count })).sort((a, b) => b.count - a.count || a.label.localeCompare(b.label))
}
