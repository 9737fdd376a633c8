/** The runs of a filter as one CSV file, asked for by pages. */
import { fetchOk } from '../../api/client'
import { toQuestion, type RunFilter } from './filter'

const PAGE = 500

/** Without its first line, which names the columns. */
const withoutHead = (text: string): string => text.slice(text.indexOf('\n') + 1)

export async function csvOf(filter: RunFilter, signal: AbortSignal, progress: (rows: number) => void): Promise<Blob> {
  const parts: string[] = []
  let cursor: string | null = ''
  let rows = 0
  while (cursor !== null) {
    const answer: Response = await fetchOk(`v1/runs?${toQuestion(filter, { format: 'csv', limit: String(PAGE), ...(cursor ? { cursor } : {}) })}`, { signal })
    const text = await answer.text()
    parts.push(parts.length === 0 ? text : withoutHead(text))
    cursor = answer.headers.get('X-Next-Cursor')
    rows += PAGE
    if (cursor) progress(rows)
  }
  // The mark lets spreadsheets read it as UTF-8.
  return new Blob(['\uFEFF', ...parts], { type: 'text/csv' })
}
