/** A chart as a table of text. */
import { csvOf, textCell } from '../ui/csv'
import type { Line } from './series'

/** The times of all lines, each once and in order, with the value that each line has then. */
export function rows(lines: readonly Line[]): { at: number; values: (number | null | undefined)[] }[] {
  const table = new Map<number, (number | null | undefined)[]>()
  lines.forEach((line, which) => {
    for (const { at, value } of line.samples) {
      let row = table.get(at)
      if (!row) table.set(at, (row = lines.map(() => undefined)))
      row[which] = value
    }
  })
  return [...table].sort(([a], [b]) => a - b).map(([at, values]) => ({ at, values }))
}

export function csv(lines: readonly Line[]): string {
  const body = rows(lines).map(({ at, values }) => [new Date(at).toISOString(), ...values.map((value) => value?.toString() ?? '')])
  return csvOf([['time', ...lines.map((line) => textCell(line.label))], ...body])
}
