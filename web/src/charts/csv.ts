/** A chart as a table of text (RFC 4180). */
import type { Line } from './series'

/** A spreadsheet reads a text that begins so as a formula. */
const FORMULA = /^[=+\-@\t\r]/

function cell(text: string): string {
  const safe = FORMULA.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

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
  const head = ['time', ...lines.map((line) => cell(line.label))]
  const body = rows(lines).map(({ at, values }) => [new Date(at).toISOString(), ...values.map((value) => value?.toString() ?? '')])
  return [head, ...body].map((row) => `${row.join(',')}\r\n`).join('')
}
