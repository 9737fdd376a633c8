/** Where an error is. */

/** The text as lines with a caret below the place; long texts are cut around it. `column` is from 1. */
export function caretLines(text: string, column: number): [string, string] {
  const AROUND = 40
  const plain = [...text.replace(/[\n\t]/g, ' ')]
  const at = Math.min(Math.max(0, column - 1), plain.length)
  const start = Math.max(0, at - AROUND)
  const before = start > 0 ? '…' : ''
  const after = at + AROUND < plain.length ? '…' : ''
  return [`${before}${plain.slice(start, at + AROUND).join('')}${after}`, `${' '.repeat(before.length + at - start)}^`]
}

/** Which of the five fields of a crontab at the beginning of the text holds the place, from 0. */
export function fieldAt(text: string, column: number | undefined): number | undefined {
  if (column === undefined) return undefined
  const words = [...text.replace(/^\s*cron:/i, (prefix) => ' '.repeat(prefix.length)).matchAll(/\S+/g)].slice(0, 5)
  const found = words.findIndex((word) => column - 1 >= word.index && column - 1 <= word.index + word[0].length)
  return found < 0 ? undefined : found
}
